#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "connect/config.h"
#include "connect/task_context.h"
#include "event/batch.h"
#include "event/batch_builder.h"
#include "event/schema.h"

namespace millrace {

/// Names a row: columns and their values as plain text (format/row_json.h). Shown to the operator who asks,
/// never logged.
using RowName = std::vector<std::pair<std::string, std::string>>;

/// A captured table whose rows can be compared with a target.
struct ScanTable {
  std::string topic;
  std::string name;                  ///< e.g. `public.flights`
  std::int64_t estimated_rows = -1;  ///< -1: not known
  std::vector<std::string> key;      ///< columns that name a row
  TableSchemaPtr schema;
  std::string unfit;  ///< not empty: why it cannot be compared
};

/// What became of a look-up.
struct LookUp {
  bool full = false;  ///< the rows do not fit: nothing of them is to be used; ask for fewer names
  std::vector<std::size_t> no_values;  ///< names (by index) that the source does not take for any row's
};

/// Reads a source's tables as they are now, for `millrace verify`: what a source adds to it. Changes nothing,
/// and holds nothing open on the server between two calls. One thread.
class TableScanner {
 public:
  TableScanner() = default;
  TableScanner(const TableScanner&) = delete;
  TableScanner& operator=(const TableScanner&) = delete;
  virtual ~TableScanner() = default;

  /// Connects and lists what is captured.
  [[nodiscard]] virtual Result<std::vector<ScanTable>> open(TaskContext& context) = 0;
  /// `table` is read from its first row on.
  [[nodiscard]] virtual Status begin(const ScanTable& table) = 0;
  /// Adds up to `rows` further rows of the table begun (Op::kRead, topic and schema as a snapshot's) in the
  /// order of its key, fewer when `out` is full. True: that was its last.
  [[nodiscard]] virtual Result<bool> read(std::size_t rows, BatchBuilder& out) = 0;
  /// Adds the rows of the table begun that have these names, as they are now; those that are not there are
  /// left out. All names have the same columns, in the same order. One name is never too much for `out`.
  [[nodiscard]] virtual Result<LookUp> look_up(std::span<const RowName> names, BatchBuilder& out) = 0;
};

/// What a target holds in the place of one row, when that is not what the row says.
struct EntryState {
  enum class Kind : std::uint8_t {
    kMissing,
    kDifferent,
    kExtra,       ///< it is there and no row is
    kUnwritable,  ///< the row can have no such entry, or something else is in its place
  };
  Kind kind = Kind::kMissing;
  std::uint32_t row = 0;              ///< of the batch compared; not of kExtra
  std::string output{};               ///< of the sink, where it has several
  std::string place{};                ///< e.g. the key in Redis, for the operator
  std::string handle{};               ///< the same for the target's part
  std::vector<std::string> fields{};  ///< that differ; names only
  std::string reason{};               ///< of kUnwritable; without values
  bool may_have_ended = false;        ///< of kMissing: it expires, so that it is missing may be as it should
  std::uint64_t wanted = 0;           ///< fingerprint of what should be there; 0: nothing
  std::uint64_t found = 0;            ///< fingerprint of what is there; 0: nothing
};

/// An entry of a target for which no row was seen.
struct ExtraEntry {
  std::string output{};
  std::string place{};
  std::string handle{};
  RowName name{};  ///< of the row it would be, by its place
  std::uint64_t found = 0;
};

/// What became of a repair.
struct Repaired {
  bool done = false;    ///< false: the entry had changed meanwhile, or `error`
  std::string error{};  ///< not empty: why it cannot be repaired; without values
};

/// Holds a target against rows, for `millrace verify`: what a sink adds to it. One thread.
class TargetVerifier {
 public:
  TargetVerifier() = default;
  TargetVerifier(const TargetVerifier&) = delete;
  TargetVerifier& operator=(const TargetVerifier&) = delete;
  virtual ~TargetVerifier() = default;

  /// Another connector of the file and of this kind, and the tables that go to it: entries that it may own
  /// are nobody else's to remove. Before `open`.
  virtual Status add_neighbour(const ConnectorConfig& /*other*/, std::span<const ScanTable> /*tables*/) {
    return {};
  }
  /// `tables`: all that may be in the target, of all sources, so that entries of one are not taken for
  /// another's.
  [[nodiscard]] virtual Status open(TaskContext& context, std::span<const ScanTable> tables) = 0;
  /// What of `topic` is not compared, a sentence each; `any`: something is.
  [[nodiscard]] virtual std::vector<std::string> limits(std::string_view topic, bool& any) = 0;
  /// A pass over a table begins: what was noted of its rows is forgotten.
  [[nodiscard]] virtual Status begin(const ScanTable& table) = 0;
  /// Adds a state for each entry that is not as the rows of `batch` (all of one topic) say, and notes all
  /// entries that they name.
  [[nodiscard]] virtual Status compare(const BatchPtr& batch, std::vector<EntryState>& out) = 0;
  /// Behind the pass: adds some of the table's entries that no row named. True: there are no more.
  [[nodiscard]] virtual Result<bool> find_extra(std::vector<ExtraEntry>& out) = 0;
  /// Sets `found` of each to what is there now.
  [[nodiscard]] virtual Status look(std::span<ExtraEntry> entries) = 0;

  /// Writes what row `state.row` of `batch` says for each state, unless the entry is no longer as
  /// `state.found` says. What became of each, in order.
  [[nodiscard]] virtual Result<std::vector<Repaired>> repair(const BatchPtr& batch,
                                                             std::span<const EntryState> states) = 0;
  /// Removes the entries, each unless it is no longer as its `found` says.
  [[nodiscard]] virtual Result<std::vector<Repaired>> remove(std::span<const ExtraEntry> entries) = 0;
  /// Whether something is left to `finish`: a sentence on what goes on as it was until then, or nothing.
  [[nodiscard]] virtual std::string unfinished() = 0;
  /// All tables have been brought in step: removes what earlier settings of the sink have left, of `tables`
  /// (all that the sources capture; those with `unfit` were not brought in step, and what is of them stays),
  /// and lets the running sink know. How many entries; what could not be removed is added to `left`, a
  /// sentence each.
  [[nodiscard]] virtual Result<std::uint64_t> finish(std::span<const ScanTable> tables,
                                                     std::vector<std::string>& left) = 0;
};

}  // namespace millrace
