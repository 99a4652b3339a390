#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "connect/verify.h"

namespace millrace {

struct VerifyOptions {
  std::size_t chunk_rows = 5'000;       ///< read from the source in one statement
  std::int64_t rows_per_second = 0;     ///< at most, from the source; 0: as fast as it goes
  std::int64_t settle_ms = 10'000;      ///< for so long a row that differs may still fall in step
  std::size_t max_differences = 1'000;  ///< listed for a table; all are counted
  std::set<EntryState::Kind> repair;    ///< kinds that are to be mended
  bool at_once = false;  ///< mend without waiting whether a row falls in step by itself; extras do wait
  /// Asked before entries without a row are taken away: not empty says why not now.
  std::function<std::string()> why_not_remove = nullptr;
};

/// One that stayed.
struct Difference {
  EntryState::Kind kind = EntryState::Kind::kMissing;
  bool moving = false;  ///< the row changed so fast that nothing can be said
  std::string output;
  std::string place;
  RowName row;
  std::vector<std::string> fields;
  std::string reason;
};

struct TableReport {
  std::string topic;
  std::string table;
  std::string skipped;              ///< not empty: why nothing was compared
  std::string error;                ///< not empty: why it could not be compared to its end
  std::vector<std::string> limits;  ///< what was not compared
  std::uint64_t rows = 0;
  std::uint64_t looked_again = 0;  ///< entries that differed at first
  std::uint64_t missing = 0;
  std::uint64_t different = 0;
  std::uint64_t extra = 0;
  std::uint64_t unwritable = 0;
  std::uint64_t unsettled = 0;
  std::uint64_t repaired = 0;
  double seconds = 0;
  std::vector<Difference> differences;

  [[nodiscard]] bool in_step() const {
    return skipped.empty() && error.empty() && missing + different + extra + unwritable + unsettled == 0;
  }
};

/// Compares the tables of one source with one sink while changes flow.
///
/// A table is read chunk by chunk; an entry that is not as its row says is looked at again after 100 ms, 200
/// ms, up to 2 s: the row is read anew, then the target. It is in step as soon as the two agree, or the
/// target shows what the row was at one of the looks before: it follows. What has not fallen in step after
/// `settle_ms`, while the row did not change for half of that, is a difference; a row that has not held still
/// for three times as long is unsettled. Behind the last chunk the target's entries are listed that no row
/// has named; each is held against the source in the same way.
///
/// A repair is made when a difference is certain (or at once), by the row as it is read behind the look at
/// the target, if the target still is as it was at that look; then it is looked at again like any other. One
/// thread.
class Verifier {
 public:
  /// Both opened; they and the context outlive this.
  Verifier(TableScanner& source, TargetVerifier& target, VerifyOptions options, TaskContext& context);
  ~Verifier();
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  /// `progress` is called now and then with the rows read so far.
  [[nodiscard]] Result<TableReport> table(const ScanTable& table,
                                          const std::function<void(std::uint64_t)>& progress);

 private:
  struct Suspect;
  /// A suspect whose entry is to be mended, and how that was when last looked at.
  struct Repair {
    Suspect* suspect = nullptr;
    EntryState state;
  };
  Status read_rows(const std::function<void(std::uint64_t)>& progress);
  Status add_suspects(const BatchPtr& batch, const std::vector<EntryState>& states);
  Status find_extras();
  Status settle(bool all);
  Status look_at_all(std::vector<Suspect*> due);
  Status look_again(std::span<Suspect* const> due);
  Status look_at_absent(std::vector<Suspect*>& absent);
  void take_state(Suspect& suspect, const EntryState& state);
  [[nodiscard]] bool is_mended_at_once(const EntryState& state) const;
  void judge(Suspect& suspect, const EntryState& state);
  void mend(Suspect& suspect, const EntryState& state);
  Status repair_all();
  Status repair_some(std::span<Repair> repairs);
  Status write_rows(const BatchPtr& batch, std::vector<Repair>& repairs);
  Status remove_entries(std::vector<Repair>& repairs);
  void take_repaired(Repair& repair, const Repaired& repaired);
  /// The rows of these names as they are now, by key_of().
  struct Rows {
    BatchPtr batch;
    std::map<std::string, std::uint32_t> row_of;
    bool full = false;                   ///< too many at once: ask for fewer
    std::vector<std::size_t> no_values;  ///< see LookUp
  };
  Result<Rows> look_up(const std::vector<RowName>& names);
  void conclude(Suspect& suspect, const EntryState& state, bool moving);
  void conclude_unwritable(Suspect& suspect, std::string_view reason);
  void clear(Suspect& suspect);
  void wait_until(std::int64_t until_us);
  [[nodiscard]] RowName name_of(const Batch& batch, std::uint32_t row) const;

  TableScanner& source_;
  TargetVerifier& target_;
  VerifyOptions options_;
  TaskContext& context_;
  const ScanTable* table_ = nullptr;
  TableReport report_;
  std::deque<Suspect> suspects_;  ///< others point to them
  std::vector<Repair> repairs_;   ///< of the look at hand
};

}  // namespace millrace
