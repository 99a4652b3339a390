#include "event/batch.h"

#include <cstring>

#include "base/checksum.h"
#include "event/image.h"
#include "event/image_check.h"

namespace millrace {
namespace {

Error broken(const std::string& what) {
  return stop_error(
      "a stored batch is damaged: " + what,
      "the disk or file system has changed stored bytes; check it, then restore the log's directory or "
      "drop the stream and take a new snapshot");
}

/// Cuts one part off the front of what is left of an image whose total size is already known to fit.
class PartCutter {
 public:
  explicit PartCutter(std::string_view bytes) : left_(bytes) {}

  template <typename T>
  std::span<const T> cut(std::uint64_t count) {
    const std::string_view part = cut_bytes(count * sizeof(T));
    return {reinterpret_cast<const T*>(part.data()), static_cast<std::size_t>(count)};
  }
  std::string_view cut_bytes(std::uint64_t size) {
    const auto with_padding = static_cast<std::size_t>(padded(size));
    MILLRACE_CHECK(with_padding <= left_.size());
    const std::string_view part = left_.substr(0, static_cast<std::size_t>(size));
    left_.remove_prefix(with_padding);
    return part;
  }

 private:
  std::string_view left_;
};

Status check_header(const ImageHeader& header, std::string_view image) {
  if (header.magic != kImageMagic) return broken("it does not begin with the mark of a batch");
  if (header.version > kImageVersion) {
    return stop_error("a stored batch has format " + std::to_string(header.version) +
                          ", this millrace knows up to " + std::to_string(kImageVersion),
                      "it was written by a newer millrace: run that version, or a later one");
  }
  if (header.version == 0) return broken("format 0");
  // No sum can overflow: every term is below 2^39, but for the byte count, which is looked at first.
  if (header.byte_count > image.size()) return broken("it is shorter than it says");
  const std::uint64_t expected = sizeof(ImageHeader) + sizeof(RowRecord) * std::uint64_t{header.row_count} +
                                 sizeof(TransactionRecord) * std::uint64_t{header.transaction_count} +
                                 padded(sizeof(std::uint32_t) * std::uint64_t{header.schema_count}) +
                                 sizeof(TopicRecord) * std::uint64_t{header.topic_count} +
                                 padded(header.topic_name_bytes) +
                                 sizeof(Cell) * std::uint64_t{header.cell_count} + padded(header.byte_count);
  if (expected != image.size() || header.image_bytes != image.size())
    return broken("its size is not what it says");
  if (checksum(image.substr(kChecksummedFrom)) != header.checksum)
    return broken("its checksum does not match");
  if (header.reserved != 0) return broken("a reserved field of its head is set");
  if (header.complete_rows > header.row_count) return broken("it has fewer rows than it says are complete");
  if (header.schema_count > 0xffff || header.topic_count > 0xffff)
    return broken("it has too many schemas or topics");
  return {};
}

}  // namespace

Result<BatchPtr> Batch::from_image(std::string image, const SchemaResolver& resolve) {
  const auto batch = std::make_shared<Batch>(Key());
  if (Status adopted = batch->adopt(std::move(image), resolve); !adopted) return std::move(adopted).error();
  return BatchPtr(batch);
}

Status Batch::adopt(std::string image, const SchemaResolver& resolve) {
  storage_ = std::move(image);
  // Inside a short string the bytes may lie anywhere; on the heap they are aligned for any of our structs.
  if (storage_.capacity() < 64) storage_.reserve(64);
  MILLRACE_CHECK(reinterpret_cast<std::uintptr_t>(storage_.data()) % alignof(Cell) == 0);
  if (storage_.size() < sizeof(ImageHeader)) return broken("it is shorter than its head");

  ImageHeader header;
  std::memcpy(&header, storage_.data(), sizeof(header));
  MILLRACE_TRY(check_header(header, storage_));

  PartCutter parts(std::string_view(storage_).substr(sizeof(header)));
  rows_ = parts.cut<RowRecord>(header.row_count);
  const auto transactions = parts.cut<TransactionRecord>(header.transaction_count);
  const auto schema_ids = parts.cut<std::uint32_t>(header.schema_count);
  const auto topics = parts.cut<TopicRecord>(header.topic_count);
  const std::string_view names = parts.cut_bytes(header.topic_name_bytes);
  cells_ = parts.cut<Cell>(header.cell_count);
  bytes_ = parts.cut_bytes(header.byte_count);
  transactions_.assign(transactions.begin(), transactions.end());
  complete_rows_ = header.complete_rows;
  received_us_ = header.received_us;
  image_bytes_ = storage_.size();
  parts_ = {storage_, {}, {}, {}, {}};

  for (const TopicRecord& topic : topics) {
    if (std::uint64_t{topic.offset} + topic.size > names.size())
      return broken("a topic's name lies outside of it");
    topics_.push_back(names.substr(topic.offset, topic.size));
  }
  for (const std::uint32_t id : schema_ids) {
    Result<TableSchemaPtr> schema = resolve(id);
    if (!schema) return std::move(schema).error();
    if (*schema == nullptr || (*schema)->id != id) {
      return broken("schema " + std::to_string(id) + " of it is not among those of the stream");
    }
    schemas_.push_back(*std::move(schema));
  }
  const char* fault =
      find_image_fault({rows_, cells_, transactions_, schemas_, topics_.size(), bytes_.size()});
  if (fault != nullptr) return broken(fault);
  return {};
}

}  // namespace millrace
