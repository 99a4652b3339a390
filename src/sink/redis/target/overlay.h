#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connect/sink.h"
#include "sink/redis/target/row_cells.h"
#include "sink/redis/target/table_plan.h"

namespace millrace::redis {

/// The row a command stands for, for rejects.
struct RowId {
  std::uint32_t batch = 0;  ///< index into Overlay::batches
  std::uint32_t row = 0;
};

/// Several changes of each key (of a set: of each member), overlaid: what is left to be sent, one entry a key
/// in order of first change, and which rows each entry stands for. In a history each row is an entry. A
/// value: it outlives the encoder that made it, until all replies are in.
class Overlay {
 public:
  enum class Action : std::uint8_t {
    kPut,    ///< the whole document is known
    kPatch,  ///< some columns were not sent: they keep the values they have in Redis, which must have the
             ///< document
    kDelete,
    kEvent,    ///< the row itself is to be added, whatever it does
    kNothing,  ///< its rows are parked
  };
  struct Source {
    BatchPtr batch;
    StreamId stream = 0;
    std::uint64_t sequence = 0;
    bool resent = false;  ///< its rows were parked before
  };
  struct Entry {
    std::size_t hash = 0;
    std::uint32_t key_offset = 0;
    std::uint32_t key_size = 0;
    std::uint32_t member_size = 0;  ///< the member lies behind the key
    Action action = Action::kPut;
    bool moved_here = false;  ///< what is put was under another key before
    bool is_parked = false;   ///< a delete that goes on with what is known of a row that is parked
    bool writes_all = false;  ///< Redis does not have the row as it was before
    RowId last;               ///< the newest row; its cells are the document unless there is an `image`
    std::int32_t image = -1;
    std::int32_t earlier = -1;        ///< further rows: index into links
    const TablePlan* gone = nullptr;  ///< of a row that was deleted on the way; good as long as `plan`
    const TablePlan* plan = nullptr;  ///< good until the encoder begins another batch
  };
  [[nodiscard]] bool empty() const { return entries.empty(); }
  [[nodiscard]] std::string_view key(const Entry& entry) const {
    return std::string_view(keys).substr(entry.key_offset, entry.key_size);
  }
  [[nodiscard]] std::string_view member(const Entry& entry) const {
    return std::string_view(keys).substr(entry.key_offset + entry.key_size, entry.member_size);
  }
  /// The cells that make up what is to be put; not of a delete.
  [[nodiscard]] RowCells cells(const Entry& entry) const;
  /// One Rejected for each row that `entry` stands for.
  void reject(const Entry& entry, const std::string& error, std::vector<Rejected>& out) const;
  void reject_row(RowId id, std::string_view key, std::string_view member, const std::string& error,
                  std::vector<Rejected>& out) const;
  /// One more entry: what is under `key` goes along with what `of` does.
  void add_removal(std::string_view key, Entry of);

  std::string output;      ///< whose it is; see Rejected
  std::string moved_from;  ///< of a move (see Encoder::take_move): where the document is
  std::vector<Source> batches;
  std::vector<Entry> entries;
  std::string keys;
  std::vector<std::pair<RowId, std::int32_t>> links;  // a row and the index of the next, or -1
  std::vector<std::vector<CellRef>> images;
};

}  // namespace millrace::redis
