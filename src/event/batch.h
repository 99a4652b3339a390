#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/result.h"
#include "event/row.h"
#include "event/schema.h"

namespace millrace {

/// A transaction as it lies in an image.
struct TransactionRecord {
  std::uint64_t id = 0;             ///< the source's transaction number; 0: a snapshot
  std::int64_t commit_us = 0;       ///< commit time, microseconds since 1970-01-01 UTC
  std::uint32_t commit_offset = 0;  ///< SourcePosition::commit of it: bytes in the batch
  std::uint32_t commit_size = 0;
};
static_assert(sizeof(TransactionRecord) == 24);

class Batch;
using BatchPtr = std::shared_ptr<const Batch>;

/// Rows of one stream in commit order, immutable and relocatable: rows, cells and bytes refer to each other
/// by index and offset only, so the image in memory is the image on disk. Made by BatchBuilder::seal or
/// from_image. Thread-safe.
class Batch {
  struct Key {
    explicit Key() = default;
  };

 public:
  /// For BatchBuilder and from_image only: nobody else can make the key.
  explicit Batch(Key /*key*/) {}
  /// Finds the schema a stored row names; gets the id within the stream.
  // tidy: allow std-function: called once a schema and batch, not per row
  using SchemaResolver = std::function<Result<TableSchemaPtr>(std::uint32_t id)>;

  /// Takes over `image` and checks everything in it (version, checksum, each index and offset, depth of
  /// arrays) before it is used. An image that does not fit is a stop error that says what is wrong; `image`
  /// is then lost.
  [[nodiscard]] static Result<BatchPtr> from_image(std::string image, const SchemaResolver& resolve);

  /// The image in pieces, in order, to be written one behind the other without joining them first. They live
  /// as long as the batch.
  static constexpr std::size_t kImageParts = 5;
  [[nodiscard]] const std::array<std::string_view, kImageParts>& image_parts() const { return parts_; }
  [[nodiscard]] std::size_t image_bytes() const { return image_bytes_; }

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] Row row(std::size_t i) const {
    MILLRACE_CHECK(i < rows_.size());
    const RowRecord& r = rows_[i];
    const Cell* key = cells_.data() + r.first_cell;
    const Cell* before = key + r.key_count;
    const Cell* after = before + r.before_count;
    return {r.op,
            r.schema,
            r.topic,
            r.transaction,
            r.index,
            r.source_offset,
            {key, r.key_count},
            {before, r.before_count},
            {after, r.after_count},
            {after + r.after_count, r.header_count}};
  }
  [[nodiscard]] std::span<const RowRecord> records() const { return rows_; }

  /// Rows [0, complete_rows()) belong to transactions that end in this batch or before it ends; the rest
  /// belong to one that goes on in the next batch.
  [[nodiscard]] std::size_t complete_rows() const { return complete_rows_; }
  /// When the source received the first byte of it, microseconds since 1970-01-01 UTC.
  [[nodiscard]] std::int64_t received_us() const { return received_us_; }

  [[nodiscard]] std::span<const TableSchemaPtr> schemas() const { return schemas_; }
  [[nodiscard]] const TableSchema& schema(const Row& row) const { return *schemas_[row.schema]; }
  [[nodiscard]] std::span<const std::string_view> topics() const { return topics_; }
  [[nodiscard]] std::span<const TransactionRecord> transactions() const { return transactions_; }
  [[nodiscard]] const TransactionRecord& transaction(const Row& row) const {
    return transactions_[row.transaction];
  }
  [[nodiscard]] std::string_view commit(const TransactionRecord& t) const {
    return bytes_.substr(t.commit_offset, t.commit_size);
  }

  /// Bytes of a cell whose storage is kBytes.
  [[nodiscard]] std::string_view bytes(const Cell& cell) const { return bytes_.substr(cell.word, cell.size); }
  /// Elements of a kArray or kStruct.
  [[nodiscard]] std::span<const Cell> elements(const Cell& cell) const {
    return cells_.subspan(static_cast<std::size_t>(cell.word), cell.size);
  }

 private:
  friend class BatchBuilder;
  void finish(
      const std::vector<std::string>& topics);  // of a batch that was built: makes head, tables and views
  Status adopt(std::string image, const SchemaResolver& resolve);

  std::string storage_;              // of a batch that came from an image
  std::vector<RowRecord> own_rows_;  // of a batch that was built
  std::vector<Cell> own_cells_;
  std::string own_bytes_;
  std::string head_;
  std::string tables_;  // transactions, schema ids, topics, topic names
  std::array<std::string_view, kImageParts> parts_{};
  std::size_t image_bytes_ = 0;

  std::span<const RowRecord> rows_;
  std::span<const Cell> cells_;
  std::string_view bytes_;
  std::vector<TransactionRecord> transactions_;
  std::vector<TableSchemaPtr> schemas_;
  std::vector<std::string_view> topics_;
  std::size_t complete_rows_ = 0;
  std::int64_t received_us_ = 0;
};

}  // namespace millrace
