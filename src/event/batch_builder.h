#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "event/batch.h"

namespace millrace {

struct BatchLimits {
  std::size_t bytes =
      1U << 20U;  ///< cells and bytes, at most 1 GiB; one row may pass it, then the batch is full
  std::size_t rows = 8192;
};

/// Fills one batch after another. Owned by one thread. The order of calls for a row: `add_cells` for all its
/// cells (key, before, after, headers side by side), set each through `cell` with what `put_*` gives, then
/// `add_row`. A row that was begun and not added costs its bytes and nothing else. Indexes of schemas, topics
/// and transactions are good until `seal` or `clear`.
class BatchBuilder {
 public:
  explicit BatchBuilder(BatchLimits limits = {});

  /// Time to seal. The tables of schemas and topics are addressed with 16 bits; half of that counts as full.
  [[nodiscard]] bool full() const {
    return bytes_used() >= limits_.bytes || rows_.size() >= limits_.rows || schemas_.size() >= kFullNames ||
           topics_.size() >= kFullNames;
  }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::size_t rows() const { return rows_.size(); }
  [[nodiscard]] std::size_t bytes_used() const { return bytes_.size() + cells_.size() * sizeof(Cell); }

  /// Index of the schema or topic in this batch, added when new. Cheap when it is the one asked for last.
  /// Schemas are told apart by id, which is not 0.
  std::uint16_t schema(const TableSchemaPtr& schema);
  std::uint16_t topic(std::string_view name);
  /// Opens a transaction; rows added from now on belong to the index it gives. `commit` as in SourcePosition.
  /// One that gets no rows leaves no trace.
  std::uint32_t begin_transaction(std::string_view commit, std::uint64_t id, std::int64_t commit_us);
  /// Index of the transaction opened last, in the batch being filled now.
  [[nodiscard]] std::uint32_t transaction() const {
    MILLRACE_CHECK(!transactions_.empty());
    return static_cast<std::uint32_t>(transactions_.size() - 1);
  }
  /// All rows so far belong to complete transactions.
  void end_transaction() {
    complete_rows_ = rows_.size();
    open_ = false;
  }

  /// `count` NULL cells side by side; gives the index of the first.
  std::uint32_t add_cells(std::size_t count) {
    const std::size_t first = cells_.size();
    MILLRACE_CHECK(count <= kMaxIndex - first);
    cells_.resize(first + count);
    return static_cast<std::uint32_t>(first);
  }
  /// Good until the next `add_cells`.
  Cell& cell(std::uint32_t index) {
    MILLRACE_CHECK(index < cells_.size());
    return cells_[index];
  }

  static constexpr Cell put_word(CellType type, std::uint64_t word) { return {type, {0, 0, 0}, 0, word}; }
  static constexpr Cell put_mark(CellType type) { return {type, {0, 0, 0}, 0, 0}; }
  /// Copies `bytes`: the one copy on the way from the socket.
  Cell put_bytes(CellType type, std::string_view bytes) {
    MILLRACE_CHECK(bytes.size() <= kMaxIndex);
    const std::size_t offset = bytes_.size();
    bytes_.append(bytes);
    return {type, {0, 0, 0}, static_cast<std::uint32_t>(bytes.size()), offset};
  }
  /// `size` bytes to be filled in place; `at` is good until the next put.
  Cell put_space(CellType type, std::size_t size, char*& at) {
    MILLRACE_CHECK(size <= kMaxIndex);
    const std::size_t offset = bytes_.size();
    bytes_.resize(offset + size);
    at = bytes_.data() + offset;
    return {type, {0, 0, 0}, static_cast<std::uint32_t>(size), offset};
  }
  /// An array or struct over `count` cells from `first` on, made by `add_cells` for it alone and after the
  /// cell that is to hold the array. At most kMaxCellDepth deep.
  static constexpr Cell put_cells(CellType type, std::uint32_t first, std::size_t count) {
    return {type, {0, 0, 0}, static_cast<std::uint32_t>(count), first};
  }

  /// Its cells must lie behind those of the row before it. A read, insert or update has an after image, a
  /// delete none.
  void add_row(const RowRecord& row);

  /// When the bytes read next were received, for lag. Call after each read: what came before the first row of
  /// the batch (keep-alives of a quiet server) does not count.
  void set_received_us(std::int64_t wall_us) {
    if (received_us_ == 0 || rows_.empty()) received_us_ = wall_us;
  }

  /// The batch so far, or null when it has no rows. The builder starts anew; a transaction left open by
  /// `begin_transaction` without `end_transaction` is carried over, so further rows of it may follow,
  /// now as transaction 0.
  BatchPtr seal();
  /// Drops all that was added since the last seal, the open transaction too.
  void clear();

 private:
  static constexpr std::size_t kMaxIndex = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t kMaxNames = std::numeric_limits<std::uint16_t>::max();
  // Leaves room for what one more call of a source may still add: a TRUNCATE names many tables.
  static constexpr std::size_t kFullNames = 0x8000;

  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };

  BatchLimits limits_;
  std::vector<RowRecord> rows_;
  std::vector<Cell> cells_;
  std::string bytes_;
  std::vector<TransactionRecord> transactions_;
  std::vector<TableSchemaPtr> schemas_;
  std::vector<std::string> topics_;
  std::unordered_map<std::uint32_t, std::uint16_t> schema_index_;  // by id
  std::unordered_map<std::string, std::uint16_t, NameHash, std::equal_to<>> topic_index_;
  std::uint16_t last_schema_ = 0;
  std::uint16_t last_topic_ = 0;
  bool open_ = false;            // a transaction was begun and not ended
  std::size_t cells_taken_ = 0;  // one past the last cell of the rows added
  std::size_t complete_rows_ = 0;
  std::int64_t received_us_ = 0;
};

}  // namespace millrace
