#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "event/batch.h"

namespace millrace {

struct BatchLimits {
  std::size_t bytes = 1U << 20U;  ///< cells and bytes; one row may pass it, then the batch is full
  std::size_t rows = 8192;
};

/// Fills one batch after another. Owned by one thread. The order of calls for a row: `add_cells` for all its cells
/// (key, before, after, headers side by side), set each through `cell` with what `put_*` gives, then `add_row`.
/// A row that was begun and not added costs its bytes and nothing else.
class BatchBuilder {
 public:
  explicit BatchBuilder(BatchLimits limits = {}) : limits_(limits) {}

  /// Time to seal. The tables of schemas and topics are addressed with 16 bits; half of that counts as full.
  [[nodiscard]] bool full() const {
    return bytes_used() >= limits_.bytes || rows_.size() >= limits_.rows || schemas_.size() >= 0x8000 ||
           topics_.size() >= 0x8000;
  }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::size_t rows() const { return rows_.size(); }
  [[nodiscard]] std::size_t bytes_used() const { return bytes_.size() + cells_.size() * sizeof(Cell); }

  /// Index of the schema or topic in this batch, added when new. Cheap when it is the one asked for last.
  std::uint16_t schema(const TableSchemaPtr& schema);
  std::uint16_t topic(std::string_view name);
  /// Opens a transaction; rows added from now on belong to the index it gives. `commit` as in SourcePosition.
  std::uint32_t begin_transaction(std::string_view commit, std::uint64_t id, std::int64_t commit_us);
  /// Index of the transaction opened last, in the batch being filled now.
  [[nodiscard]] std::uint32_t transaction() const { return static_cast<std::uint32_t>(transactions_.size() - 1); }
  /// All rows so far belong to complete transactions.
  void end_transaction() { complete_rows_ = rows_.size(); }

  /// `count` NULL cells side by side; gives the index of the first.
  std::uint32_t add_cells(std::size_t count) {
    const std::size_t first = cells_.size();
    cells_.resize(first + count);
    return static_cast<std::uint32_t>(first);
  }
  /// Good until the next `add_cells`.
  Cell& cell(std::uint32_t index) {
    MILLRACE_CHECK(index < cells_.size());
    return cells_[index];
  }

  static Cell put_word(CellType type, std::uint64_t word) { return {type, {0, 0, 0}, 0, word}; }
  static Cell put_mark(CellType type) { return {type, {0, 0, 0}, 0, 0}; }
  /// Copies `bytes`: the one copy on the way from the socket.
  Cell put_bytes(CellType type, std::string_view bytes) {
    const std::size_t offset = bytes_.size();
    bytes_.append(bytes);
    return {type, {0, 0, 0}, static_cast<std::uint32_t>(bytes.size()), offset};
  }
  /// `size` bytes to be filled in place; `at` is good until the next put.
  Cell put_space(CellType type, std::size_t size, char*& at) {
    const std::size_t offset = bytes_.size();
    bytes_.resize(offset + size);
    at = bytes_.data() + offset;
    return {type, {0, 0, 0}, static_cast<std::uint32_t>(size), offset};
  }
  /// An array or struct over `count` cells from `first` on, made by `add_cells`.
  static Cell put_cells(CellType type, std::uint32_t first, std::size_t count) {
    return {type, {0, 0, 0}, static_cast<std::uint32_t>(count), first};
  }

  void add_row(const RowRecord& row) { rows_.push_back(row); }

  /// When the first byte of the batch was received, for lag; set once a batch.
  void set_received_us(std::int64_t wall_us) {
    if (received_us_ == 0) received_us_ = wall_us;
  }

  /// The batch so far, or null when it has no rows. The builder starts anew; a transaction left open by
  /// `begin_transaction` without `end_transaction` is carried over, so further rows of it may follow.
  BatchPtr seal();
  /// Drops all that was added since the last seal, the open transaction too.
  void clear();

 private:
  BatchLimits limits_;
  std::vector<RowRecord> rows_;
  std::vector<Cell> cells_;
  std::string bytes_;
  std::vector<TransactionRecord> transactions_;
  std::vector<TableSchemaPtr> schemas_;
  std::vector<std::string> topics_;
  std::size_t complete_rows_ = 0;
  std::int64_t received_us_ = 0;
};

}  // namespace millrace
