#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "event/batch.h"
#include "format/row_json.h"

namespace millrace {

/// `c`, `u`, `d`, `r` (snapshot), `t`, `m`, `schema`, `begin`, `end`.
[[nodiscard]] std::string_view op_code(Op op);

/// Writes changes as they are shown to people and programs that read a topic: one JSON object a change, on
/// one line. Owned by one thread.
class ChangeJsonWriter {
 public:
  enum class Form : std::uint8_t {
    /// `{"topic","offset","op","key","before","after","source":{"db","schema","table","schema_id","commit","lsn","tx",
    /// "index"},"ts_us"}`. `op` is c, u, d, r (snapshot), t, m (with "message" in place of before and after),
    /// or schema,
    /// begin, end. Values as RowJsonWriter writes them; a column that was not sent is left out. `ts_us`:
    /// commit time.
    kPlain,
    /// The value of Debezium's record, schemaless:
    /// `{"before","after","source","transaction","op","ts_ms","ts_us","ts_ns"}`;
    /// values as append_debezium_value writes them. Narrower than Debezium: a change of key stays one update,
    /// no
    /// tombstones; source.sequence and transaction are null; times of the envelope are those of receipt.
    kDebezium,
  };
  explicit ChangeJsonWriter(Form form) : form_(form) {}

  /// Appends row `row` of `batch`, at `offset` of its topic, without a line end. A reject error when a text
  /// in it is not UTF-8; `out` is then as before.
  [[nodiscard]] Status append(std::string& out, const Batch& batch, std::size_t row, std::uint64_t offset);

 private:
  Status append_plain(std::string& out, const Batch& batch, const Row& row, std::uint64_t offset);
  Status append_debezium(std::string& out, const Batch& batch, const Row& row) const;
  const RowJsonWriter& writer(const TableSchemaPtr& schema);
  Status append_key(std::string& out, const Batch& batch, const Row& row, const RowJsonWriter& writer) const;

  Form form_;
  std::map<const TableSchema*, std::unique_ptr<RowJsonWriter>> writers_;
};

}  // namespace millrace
