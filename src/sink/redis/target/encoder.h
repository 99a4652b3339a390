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
#include "sink/redis/target/overlay.h"
#include "sink/redis/target/table_plan.h"
#include "sink/redis/target/target.h"

namespace millrace::redis {

/// Rows of one output to an overlay. Pure; owned by one thread.
class Encoder {
 public:
  enum class Taken : std::uint8_t {
    kYes,       ///< overlaid, ignored, or rejected
    kFlush,     ///< cannot be overlaid onto what is there: send that first, then offer the row again
    kMove,      ///< needs the old document from Redis under a new key: send what is there, then take_move
    kTruncate,  ///< all keys of the row's topic go: send what is there, then remove them
  };

  /// `output`: the name that rejects have; see Rejected.
  explicit Encoder(Target target, std::string output = {})
      : target_(std::move(target)), plans_(target_), output_(std::move(output)) {}
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  /// The batch whose rows come next. With `replayed` its rows are known to have been applied once (the
  /// target's position is behind them): values carried from one key to another are then where they belong,
  /// and what the target has is the state behind the last of these rows. So nothing may be sent before that
  /// one is overlaid, and `add` always says kYes.
  void begin(const ReadBatch& rows, bool replayed);
  /// Overlays row `row` of the batch begun last. Rows that can have no key or no document go to `rejected`.
  [[nodiscard]] Taken add(std::uint32_t row, std::vector<Rejected>& rejected);
  [[nodiscard]] const Target& target() const { return target_; }
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

  /// The plan of the topic of `row`, for kTruncate.
  [[nodiscard]] const TablePlan& topic_plan(std::uint32_t row);
  /// How the keys of the topic of `row` are and were made. None: no row of it has a key, or what rows write
  /// is not known where others write as well, and the row is among the rejected.
  [[nodiscard]] std::vector<RowKey> topic_keys(std::uint32_t row, std::vector<Rejected>& rejected);

 private:
  struct Change;  // a row with its keys worked out
  /// What an entry is known by: the key, and behind it the member.
  struct Id {
    std::string_view text;
    std::size_t key_size = 0;

    [[nodiscard]] std::string_view key() const { return text.substr(0, key_size); }
    [[nodiscard]] bool empty() const { return text.empty(); }
  };
  [[nodiscard]] bool is_entry(const Overlay::Entry& entry, std::size_t hash, const Id& id) const;
  Overlay::Entry& add_entry(const Id& id, std::size_t hash);
  std::uint32_t find_or_add(const Id& id, bool& found);
  std::int32_t find(const Id& id) const;
  void grow();
  void reject(std::uint32_t row, const Id& id, const std::string& error,
              std::vector<Rejected>& rejected) const;
  void truncate_overlaid(std::uint32_t row, std::vector<Rejected>& rejected);
  std::optional<std::string> append_id(std::string& out, Id& id, const TablePlan& plan,
                                       std::span<const Cell> cells) const;
  std::optional<std::string> work_out(std::uint32_t row, Change& change);
  bool has_no_parent(const TablePlan& plan, std::span<const Cell> cells) const;
  void resolve_kept(Change& change) const;
  std::optional<std::string> work_out_delete(Change& change);
  std::optional<std::string> work_out_old_key(Change& change, std::optional<std::string> error);
  const TablePlan& plan_of(const Row& row);
  std::vector<Cell> old_cells(const Row& row, const TableSchema& schema) const;
  void add_event(std::uint32_t row, std::vector<Rejected>& rejected);
  void add_event_to(const Id& id, Change& change);
  std::string not_sent(const Change& change) const;
  void leave(const Id& id, const Change& change);
  void leave_parked(const Change& change);
  bool is_of_another_row(const Overlay::Entry& entry, const Change& change) const;
  Taken add_change(const Change& change, std::vector<Rejected>& rejected);
  Taken add_moved(const Change& change, std::vector<Rejected>& rejected);
  void link_row(Overlay::Entry& entry, std::uint32_t row, bool fresh);
  void put(const Id& id, const Change& change, Overlay::Action action, std::int32_t image);
  void remove(const Id& id, std::uint32_t row, const TablePlan& plan);
  std::vector<CellRef> cells_of(const Overlay::Entry& entry) const;
  std::int32_t merged_image(const Change& change, const Overlay::Entry* base, bool& complete);

  Target target_;
  PlanCache plans_;
  std::string output_;
  Overlay overlay_;
  std::vector<std::uint32_t> slots_;       // open addressing over overlay_.entries: index + 1, 0 is free
  std::vector<const TablePlan*> plan_of_;  // by topic * schemas + schema of the batch begun last
  bool replayed_ = false;
  std::string new_key_;
  std::string old_key_;
};

}  // namespace millrace::redis
