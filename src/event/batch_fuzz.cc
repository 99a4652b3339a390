// A batch image from any bytes. The first byte chooses: even, the bytes are taken as they are; odd, magic,
// version, sizes and checksum are put right first, so that what lies behind them is reached.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/checksum.h"
#include "event/batch.h"
#include "event/dump.h"
#include "event/event_test_batch.h"
#include "event/image.h"
#include "event/key.h"

namespace millrace {
namespace {

Result<TableSchemaPtr> resolve(std::uint32_t id) {
  if (id == 0 || id > 4) return stop_error("no such schema");
  return columns_schema(id, id - 1);
}

/// Keeps the counts as they are where they fit the bytes there, and lets the values part take the rest.
void mend(std::string& image) {
  ImageHeader header;
  if (image.size() < sizeof(header)) image.resize(sizeof(header));
  std::memcpy(&header, image.data(), sizeof(header));
  header.magic = kImageMagic;
  header.version = kImageVersion;
  header.row_count %= 64;
  header.cell_count %= 256;
  header.transaction_count %= 16;
  header.schema_count %= 8;
  header.topic_count %= 8;
  header.topic_name_bytes %= 64;
  header.byte_count %= 4096;
  header.complete_rows %= 65;
  header.reserved = 0;
  header.image_bytes = sizeof(ImageHeader) + sizeof(RowRecord) * header.row_count +
                       sizeof(TransactionRecord) * header.transaction_count +
                       padded(sizeof(std::uint32_t) * std::uint64_t{header.schema_count}) +
                       sizeof(TopicRecord) * header.topic_count + padded(header.topic_name_bytes) +
                       sizeof(Cell) * header.cell_count + padded(header.byte_count);
  image.resize(header.image_bytes);
  std::memcpy(image.data(), &header, sizeof(header));
  header.checksum = checksum(std::string_view(image).substr(kChecksummedFrom));
  std::memcpy(image.data(), &header, sizeof(header));
}

/// Reads all that a sink could read.
void read(const Batch& batch) {
  static_cast<void>(dump(batch));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Row row = batch.row(i);
    static_cast<void>(batch.commit(batch.transaction(row)));
    static_cast<void>(key_changed(batch, row));
    if (row.op > Op::kDelete) continue;
    for (std::size_t k = 0; k < key_size(batch, row); ++k) {
      static_cast<void>(dump_cell(batch, key_cell(batch, row, Side::kBefore, k)));
      static_cast<void>(dump_cell(batch, key_cell(batch, row, Side::kAfter, k)));
    }
  }
  MILLRACE_CHECK(batch.complete_rows() <= batch.size());
}

}  // namespace
}  // namespace millrace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string image(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 1) millrace::mend(image);
  const std::string before = image;
  const auto batch = millrace::Batch::from_image(std::move(image), millrace::resolve);
  if (!batch) return 0;
  millrace::read(**batch);
  MILLRACE_CHECK(millrace::image_of(**batch) == before);
  return 0;
}
