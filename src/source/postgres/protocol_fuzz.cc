#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "source/postgres/decoder.h"

namespace millrace::postgres {
namespace {

/// Types come from the letters of a table's name, so that the fuzzer can choose among them.
class FuzzTables final : public TableResolver {
 public:
  Result<TablePtr> resolve(const Relation& relation) override {
    TypeCatalog types;
    TableLayout layout = describe_table(relation, types, nullptr, "db");
    layout.schema.id = 1;
    auto table = std::make_shared<Table>();
    table->topic = "t";
    table->captured = !relation.table.starts_with('-');
    table->formats = std::move(layout.formats);
    for (std::size_t i = 0; i < table->formats.size() && i < relation.table.size(); ++i) {
      const auto kind = static_cast<unsigned char>(relation.table[i]) % 17;
      table->formats[i].kind = static_cast<ValueKind>(kind);
      table->formats[i].element = static_cast<ValueKind>(kind % 16);
    }
    table->in_identity = std::move(layout.in_identity);
    table->schema = std::make_shared<const TableSchema>(std::move(layout.schema));
    return TablePtr(std::move(table));
  }
  void note_type(std::uint32_t /*oid*/, std::string_view /*schema*/, std::string_view /*name*/) override {}
};

/// A stream of CopyData messages, each behind two bytes that say how long it is.
void run(std::string_view left) {
  FuzzTables tables;
  StreamPoint from;
  from.next = 0x100;
  from.system_id = "1";
  from.timeline = 1;
  if (left.size() % 3 == 0) {
    from.open_commit = 0x200;
    from.open_rows = 1;
  }
  Decoder decoder(tables, from);
  BatchBuilder out({4096, 16});
  while (left.size() >= 2) {
    const std::size_t wanted =
        static_cast<unsigned char>(left[0]) * 256U + static_cast<unsigned char>(left[1]);
    left.remove_prefix(2);
    const std::string_view message = left.substr(0, wanted);
    left.remove_prefix(message.size());
    Frame frame;
    if (!parse_frame(message, frame)) return;
    const auto status = frame.kind == Frame::Kind::kData ? decoder.apply(frame.payload, frame.start, out)
                                                         : decoder.advance(frame.wal_end);
    if (!status) return;
    if (!to_stream_point(to_source_position(decoder.position()))) __builtin_trap();
    if (out.full()) static_cast<void>(out.seal());
  }
  static_cast<void>(out.seal());
}

}  // namespace
}  // namespace millrace::postgres

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  millrace::postgres::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
