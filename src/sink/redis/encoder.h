#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "connect/sink.h"
#include "format/row_json.h"
#include "sink/redis/key_template.h"
#include "sink/redis/table_plan.h"

namespace millrace::redis {

/// The row a command stands for, for rejects.
struct RowId {
  std::uint32_t batch = 0;  ///< index into Overlay::batches
  std::uint32_t row = 0;
};

/// Several changes of each key, overlaid: what is left to be sent, one entry a key in order of first change,
/// and which rows each entry stands for. A value: it outlives the encoder that made it, until all replies are
/// in.
class Overlay {
 public:
  enum class Action : std::uint8_t {
    kPut,    ///< the whole document is known
    kPatch,  ///< some columns were not sent: they keep the values they have in Redis, which must have the
             ///< document
    kDelete,
  };
  struct Source {
    BatchPtr batch;
    StreamId stream = 0;
    std::uint64_t sequence = 0;
  };
  struct Entry {
    std::size_t hash = 0;
    std::uint32_t key_offset = 0;
    std::uint32_t key_size = 0;
    Action action = Action::kPut;
    bool moved_here = false;  ///< what is put was under another key before
    RowId last;               ///< the newest row; its cells are the document unless there is an `image`
    std::int32_t image = -1;
    std::int32_t earlier = -1;        ///< further rows: index into links
    const TablePlan* plan = nullptr;  ///< good until the encoder begins another batch
  };
  /// A cell and the batch its bytes are in.
  struct CellRef {
    const Batch* batch = nullptr;
    Cell cell;
  };

  [[nodiscard]] bool empty() const { return entries.empty(); }
  [[nodiscard]] std::string_view key(const Entry& entry) const {
    return std::string_view(keys).substr(entry.key_offset, entry.key_size);
  }
  /// One Rejected for each row that `entry` stands for.
  void reject(const Entry& entry, const std::string& error, std::vector<Rejected>& out) const;
  void reject_row(RowId id, std::string_view key, const std::string& error, std::vector<Rejected>& out) const;

  std::vector<Source> batches;
  std::vector<Entry> entries;
  std::string keys;
  std::vector<std::pair<RowId, std::int32_t>> links;  // a row and the index of the next, or -1
  std::vector<std::vector<CellRef>> images;
};

/// Rows to commands. Pure; owned by one thread.
class Encoder {
 public:
  struct Options {
    KeyTemplate key_template;
    TargetType target = TargetType::kJson;
    JsonOptions json;
  };
  enum class Taken : std::uint8_t {
    kYes,       ///< overlaid, ignored, or rejected
    kFlush,     ///< cannot be overlaid onto what is there: send that first, then offer the row again
    kMove,      ///< needs the old document from Redis under a new key: send what is there, then take_move
    kTruncate,  ///< all keys of the row's topic go: send what is there, then remove them
  };

  explicit Encoder(Options options)
      : options_(std::move(options)), plans_(options_.key_template, options_.target, options_.json) {}
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  /// The batch whose rows come next. With `replayed` its rows are known to have been applied once (the
  /// target's position is behind them): values carried from one key to another are then where they belong,
  /// and no move is asked for.
  void begin(const ReadBatch& rows, bool replayed);
  /// Overlays row `row` of the batch begun last. Rows that can have no key or no document go to `rejected`.
  [[nodiscard]] Taken add(std::uint32_t row, std::vector<Rejected>& rejected);
  [[nodiscard]] const Overlay& overlay() const { return overlay_; }
  /// What was overlaid. The encoder starts anew: `begin` comes next.
  [[nodiscard]] Overlay take();

  /// What the documents may have that no row tells; see PlanCache. Columns are told while nothing is
  /// overlaid.
  [[nodiscard]] PlanCache& plans() { return plans_; }

  /// A row for which `add` said kMove, of the batch begun last, as an overlay of its own: its one entry keeps
  /// the values that were not sent from the document at `from`. Nothing is overlaid at that time. Rejected
  /// rows: no entry.
  [[nodiscard]] Overlay take_move(std::uint32_t row, std::string& from, std::vector<Rejected>& rejected);

  /// How the keys of the topic of `row` (for kTruncate) are and were made. None: no row of it has a key, and
  /// the row is among the rejected.
  [[nodiscard]] std::vector<RowKey> topic_keys(std::uint32_t row, std::vector<Rejected>& rejected);

 private:
  struct Change;  // a row with its keys worked out
  std::uint32_t find_or_add(std::string_view key, bool& found);
  std::int32_t find(std::string_view key) const;
  void grow();
  void reject(std::uint32_t row, std::string_view key, const std::string& error,
              std::vector<Rejected>& rejected) const;
  std::optional<std::string> work_out(std::uint32_t row, Change& change);
  std::optional<std::string> work_out_delete(Change& change);
  std::optional<std::string> work_out_old_key(Change& change, std::optional<std::string> error);
  void leave(std::string_view key, const Change& change);
  bool is_of_another_row(const Overlay::Entry& entry, const Change& change) const;
  Taken add_change(const Change& change, std::vector<Rejected>& rejected);
  Taken add_moved(const Change& change);
  void link_row(Overlay::Entry& entry, std::uint32_t row, bool fresh);
  void put(std::string_view key, const Change& change, Overlay::Action action, std::int32_t image);
  void remove(std::string_view key, std::uint32_t row, const TablePlan& plan);
  std::vector<Overlay::CellRef> cells_of(const Overlay::Entry& entry) const;
  std::int32_t merged_image(const Change& change, const Overlay::Entry* base, bool& complete);

  Options options_;
  PlanCache plans_;
  Overlay overlay_;
  std::vector<std::uint32_t> slots_;       // open addressing over overlay_.entries: index + 1, 0 is free
  std::vector<const TablePlan*> plan_of_;  // by topic * schemas + schema of the batch begun last
  bool replayed_ = false;
  std::string new_key_;
  std::string old_key_;
};

}  // namespace millrace::redis
