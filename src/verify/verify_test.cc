#include "verify/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/logging.h"
#include "base/metrics.h"

namespace millrace {
namespace {

using Kind = EntryState::Kind;

/// A table of numbered rows and a target of numbered entries; a test moves them while time passes.
struct World {
  std::map<std::int64_t, std::int64_t> rows;
  std::map<std::int64_t, std::int64_t> entries;
  std::function<void()> at_look = [] {};    ///< before each look at the source
  std::function<void()> at_repair = [] {};  ///< before each write to the target
  std::size_t reads = 0;
  std::size_t looks_at_once = 1'000'000;  ///< rows that fit
  std::set<std::int64_t> no_values;       ///< of the key
};

TableSchemaPtr schema() {
  static const TableSchemaPtr made = [] {
    auto out = std::make_shared<TableSchema>();
    out->id = 1;
    out->schema = "public";
    out->table = "t";
    for (const char* name : {"id", "v"}) {
      ColumnSchema column;
      column.name = name;
      column.type = CellType::kInt64;
      out->columns.push_back(column);
    }
    out->key_columns = {0};
    return out;
  }();
  return made;
}

class FakeScanner final : public TableScanner {
 public:
  explicit FakeScanner(World& world) : world_(world) {}
  Result<std::vector<ScanTable>> open(TaskContext& /*context*/) override { return std::vector<ScanTable>(); }
  Status begin(const ScanTable& /*table*/) override {
    last_.reset();
    return {};
  }
  Result<bool> read(std::size_t rows, BatchBuilder& out) override {
    ++world_.reads;
    out.begin_transaction("", 0, 0);
    auto at = last_ ? world_.rows.upper_bound(*last_) : world_.rows.begin();
    for (; at != world_.rows.end() && rows > 0; ++at, --rows) put(*at, out);
    out.end_transaction();
    return at == world_.rows.end();
  }
  Result<LookUp> look_up(std::span<const RowName> names, BatchBuilder& out) override {
    world_.at_look();
    LookUp done;
    done.full = names.size() > world_.looks_at_once;
    out.begin_transaction("", 0, 0);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::int64_t id = std::stoll(names[i].front().second);
      const auto found = world_.rows.find(id);
      if (world_.no_values.contains(id)) {
        done.no_values.push_back(i);
      } else if (found != world_.rows.end()) {
        put(*found, out);
      }
    }
    out.end_transaction();
    return done;
  }

 private:
  void put(const std::pair<const std::int64_t, std::int64_t>& row, BatchBuilder& out) {
    RowRecord record;
    record.op = Op::kRead;
    record.schema = out.schema(schema());
    record.topic = out.topic("t");
    record.after_count = 2;
    record.first_cell = out.add_cells(2);
    out.cell(record.first_cell) =
        BatchBuilder::put_word(CellType::kInt64, static_cast<std::uint64_t>(row.first));
    out.cell(record.first_cell + 1) =
        BatchBuilder::put_word(CellType::kInt64, static_cast<std::uint64_t>(row.second));
    out.add_row(record);
    last_ = row.first;
  }
  World& world_;
  std::optional<std::int64_t> last_;
};

class FakeTarget final : public TargetVerifier {
 public:
  explicit FakeTarget(World& world) : world_(world) {}
  Status open(TaskContext& /*context*/, std::span<const ScanTable> /*tables*/) override { return {}; }
  std::vector<std::string> limits(std::string_view /*topic*/, bool& any) override {
    any = true;
    return {};
  }
  Status begin(const ScanTable& /*table*/) override {
    named_.clear();
    return {};
  }
  Status compare(const BatchPtr& batch, std::vector<EntryState>& out) override {
    for (std::uint32_t row = 0; row < batch->size(); ++row) {
      const auto cells = batch->row(row).after;
      const auto id = static_cast<std::int64_t>(cells[0].word);
      named_.insert(id);
      EntryState state;
      state.row = row;
      state.place = state.handle = std::to_string(id);
      state.wanted = mark(static_cast<std::int64_t>(cells[1].word));
      state.found = found(id);
      state.kind = state.found == 0 ? Kind::kMissing : Kind::kDifferent;
      if (state.found != state.wanted) out.push_back(state);
    }
    return {};
  }
  Result<bool> find_extra(std::vector<ExtraEntry>& out) override {
    for (const auto& [id, value] : world_.entries) {
      if (named_.contains(id)) continue;
      ExtraEntry entry;
      entry.place = entry.handle = std::to_string(id);
      entry.name = {{"id", entry.place}};
      out.push_back(entry);
    }
    return true;
  }
  Status look(std::span<ExtraEntry> entries) override {
    for (ExtraEntry& entry : entries) entry.found = found(std::stoll(entry.handle));
    return {};
  }
  Result<std::vector<Repaired>> repair(const BatchPtr& batch, std::span<const EntryState> states) override {
    world_.at_repair();
    std::vector<Repaired> out;
    for (const EntryState& state : states) {
      const std::int64_t id = std::stoll(state.handle);
      out.push_back({.done = found(id) == state.found});
      if (out.back().done)
        world_.entries[id] = static_cast<std::int64_t>(batch->row(state.row).after[1].word);
    }
    return out;
  }
  Result<std::vector<Repaired>> remove(std::span<const ExtraEntry> entries) override {
    world_.at_repair();
    std::vector<Repaired> out;
    for (const ExtraEntry& entry : entries) {
      const std::int64_t id = std::stoll(entry.handle);
      out.push_back({.done = found(id) == entry.found});
      if (out.back().done) world_.entries.erase(id);
    }
    return out;
  }
  std::string unfinished() override { return {}; }
  Result<std::uint64_t> finish(std::span<const ScanTable> /*tables*/,
                               std::vector<std::string>& /*left*/) override {
    return 0;
  }

 private:
  static std::uint64_t mark(std::int64_t value) { return static_cast<std::uint64_t>(value) + 1; }
  [[nodiscard]] std::uint64_t found(std::int64_t id) const {
    const auto entry = world_.entries.find(id);
    return entry == world_.entries.end() ? 0 : mark(entry->second);
  }
  World& world_;
  std::set<std::int64_t> named_;
};

class VerifyTest : public testing::Test {
 protected:
  TableReport run(VerifyOptions options = {}) {
    FakeScanner scanner(world);
    FakeTarget target(world);
    TaskContext context{"t", "", clock, logger, metrics, failpoints, {}};
    options.chunk_rows = 7;
    options.settle_ms = 4'000;
    Verifier verifier(scanner, target, options, context);
    ScanTable table;
    table.topic = "t";
    table.name = "public.t";
    table.schema = schema();
    auto done = verifier.table(table, [](std::uint64_t) {});
    EXPECT_TRUE(done) << done.error().message;
    return done ? *done : TableReport();
  }
  static VerifyOptions repairing() {
    VerifyOptions options;
    options.repair = {Kind::kMissing, Kind::kDifferent, Kind::kExtra};
    return options;
  }

  World world;
  ManualClock clock;
  Logger logger;
  Metrics metrics;
  FailPoints failpoints;
};

TEST_F(VerifyTest, EqualSidesAreReadOnce) {
  for (int i = 0; i < 50; ++i) world.rows[i] = world.entries[i] = i;
  const TableReport report = run();
  EXPECT_TRUE(report.in_step());
  EXPECT_EQ(report.rows, 50U);
  EXPECT_EQ(report.looked_again, 0U);
  EXPECT_EQ(world.reads, 8U);
}

TEST_F(VerifyTest, WhatStaysDifferentIsNamedOnce) {
  for (int i = 0; i < 20; ++i) world.rows[i] = world.entries[i] = i;
  world.entries.erase(3);
  world.entries[5] = 99;
  world.entries[77] = 1;
  const TableReport report = run();
  EXPECT_EQ(report.missing, 1U);
  EXPECT_EQ(report.different, 1U);
  EXPECT_EQ(report.extra, 1U);
  ASSERT_EQ(report.differences.size(), 3U);
  for (const Difference& one : report.differences) {
    const std::string wanted = one.kind == Kind::kMissing ? "3" : one.kind == Kind::kExtra ? "77" : "5";
    EXPECT_EQ(one.place, wanted);
    EXPECT_EQ(one.row, (RowName{{"id", wanted}}));
  }
}

TEST_F(VerifyTest, LargeRowsAreLookedAtByHalves) {
  for (int i = 0; i < 50; ++i) world.rows[i] = i;
  world.entries[77] = 1;
  world.looks_at_once = 3;
  const TableReport report = run(repairing());
  EXPECT_TRUE(report.in_step());
  EXPECT_EQ(report.repaired, 51U);
  EXPECT_EQ(world.entries, world.rows);
}

TEST_F(VerifyTest, ARowThatCannotBeLookedUpIsNotTakenForGone) {
  for (const bool at_once : {false, true}) {
    for (int i = 0; i < 10; ++i) world.rows[i] = world.entries[i] = i;
    world.entries[5] = 99;
    world.entries.erase(6);
    world.entries[77] = 1;
    world.no_values = {5, 6, 77};
    VerifyOptions options = repairing();
    options.at_once = at_once;
    const TableReport report = run(options);
    EXPECT_EQ(report.unwritable, 2U);
    EXPECT_EQ(report.repaired, 1U);
    EXPECT_EQ(world.entries.at(5), 99);
    EXPECT_FALSE(world.entries.contains(77));
  }
}

TEST_F(VerifyTest, ExtrasAreGivenTimeEvenAtOnce) {
  world.entries[77] = 1;
  world.at_look = [this] { world.entries.erase(77); };
  world.at_repair = [] { ADD_FAILURE() << "somebody else has taken it away by then"; };
  VerifyOptions options = repairing();
  options.at_once = true;
  EXPECT_TRUE(run(options).in_step());
}

TEST_F(VerifyTest, ExtrasStayWhileTheSinkIsBehind) {
  world.rows[1] = world.entries[77] = 1;
  VerifyOptions options = repairing();
  options.why_not_remove = [] { return std::string("cache is paused"); };
  const TableReport report = run(options);
  EXPECT_EQ(report.extra, 1U);
  EXPECT_EQ(report.repaired, 1U);
  ASSERT_EQ(report.differences.size(), 1U);
  EXPECT_EQ(report.differences[0].reason, "not removed, as cache is paused");
  EXPECT_TRUE(world.entries.contains(77));
}

TEST_F(VerifyTest, ATargetThatIsBehindIsInStep) {
  for (int i = 0; i < 20; ++i) world.rows[i] = i;
  world.entries = world.rows;
  world.rows[21] = 21;    // on its way
  world.rows[4] = 40;     // on its way
  world.entries[99] = 9;  // its delete is on its way
  int looks = 0;
  world.at_look = [&] {
    if (++looks == 3) world.entries = world.rows;
  };
  const TableReport report = run();
  EXPECT_TRUE(report.in_step());
  EXPECT_EQ(report.looked_again, 3U);
}

TEST_F(VerifyTest, ARowThatChangesAllTheTimeIsInStepWhenTheTargetFollows) {
  world.rows[1] = 0;
  world.entries[1] = -1;
  world.at_look = [&] {  // the target is always one behind
    world.entries[1] = world.rows[1];
    ++world.rows[1];
  };
  EXPECT_TRUE(run().in_step());
}

TEST_F(VerifyTest, ARowThatNeverHoldsStillIsNoDifferenceAndNotInStep) {
  world.rows[1] = 0;
  world.entries[1] = -5;  // stands where it is
  world.at_look = [&] { ++world.rows[1]; };
  const TableReport report = run();
  EXPECT_EQ(report.unsettled, 1U);
  EXPECT_EQ(report.different, 0U);
  EXPECT_FALSE(report.in_step());
}

TEST_F(VerifyTest, RowsThatGoMeanwhileAreNoDifference) {
  world.rows[1] = 1;
  world.at_look = [&] { world.rows.erase(1); };
  EXPECT_TRUE(run().in_step());
  world.rows[1] = 1;
  world.entries[1] = 7;  // stays, though its row has gone
  const TableReport report = run();
  EXPECT_EQ(report.extra, 1U);
}

TEST_F(VerifyTest, RepairsAreLookedAtAgain) {
  for (int i = 0; i < 20; ++i) world.rows[i] = world.entries[i] = i;
  world.entries.erase(3);
  world.entries[5] = 99;
  world.entries[77] = 1;
  const TableReport report = run(repairing());
  EXPECT_TRUE(report.in_step());
  EXPECT_EQ(report.repaired, 3U);
  EXPECT_EQ(world.entries, world.rows);
}

TEST_F(VerifyTest, OnlyWhatWasAskedForIsRepaired) {
  world.rows[3] = 3;
  world.entries[77] = 1;
  VerifyOptions options;
  options.repair = {Kind::kMissing};
  const TableReport report = run(options);
  EXPECT_EQ(report.repaired, 1U);
  EXPECT_EQ(report.extra, 1U);
  EXPECT_TRUE(world.entries.contains(77));
}

/// The target is written to between the last look and the repair, as a sink at work does.
TEST_F(VerifyTest, ARepairNeverWritesOverSomethingNewer) {
  world.rows[1] = 1;
  world.entries[1] = 0;
  bool once = true;
  world.at_repair = [&] {
    if (std::exchange(once, false)) world.rows[1] = world.entries[1] = 2;
  };
  const TableReport report = run(repairing());
  EXPECT_TRUE(report.in_step());
  EXPECT_EQ(world.entries[1], 2);
}

/// The row changes and is delivered between the look at the target and the repair, which reads the row again.
TEST_F(VerifyTest, ARepairIsMadeOfTheRowAsItIs) {
  world.rows[1] = 1;
  world.entries[1] = 0;
  world.at_repair = [&] { EXPECT_EQ(world.rows[1], 1); };
  EXPECT_TRUE(run(repairing()).in_step());
  EXPECT_EQ(world.entries[1], 1);
}

/// The sink removes an entry that is not there: nobody sees that, and the repair brings it.
TEST_F(VerifyTest, ARowThatGoesWhileItIsWrittenDoesNotStayBehind) {
  world.rows = {{1, 1}, {2, 2}};
  world.entries = {{1, 1}};
  world.at_repair = [&] { world.rows.erase(2); };
  VerifyOptions options;
  options.repair = {Kind::kMissing};
  EXPECT_TRUE(run(options).in_step());
  EXPECT_FALSE(world.entries.contains(2));
}

TEST_F(VerifyTest, ARowThatComesWhileItsEntryIsRemovedIsKept) {
  world.entries[99] = 9;
  bool once = true;
  world.at_repair = [&] {
    if (std::exchange(once, false)) world.rows[99] = 9;  // the same as what is removed
  };
  EXPECT_TRUE(run(repairing()).in_step());
  EXPECT_EQ(world.entries[99], 9);
}

TEST_F(VerifyTest, ATargetThatTakesNoRepairEnds) {
  world.rows[1] = 1;
  world.entries[1] = 0;
  world.at_repair = [&] { world.entries[1] -= 3; };  // somebody else is always faster, and wrong
  const TableReport report = run(repairing());
  EXPECT_EQ(report.different, 1U);
  EXPECT_EQ(report.repaired, 0U);
}

TEST_F(VerifyTest, TheSourceIsReadNoFasterThanAsked) {
  for (int i = 0; i < 70; ++i) world.rows[i] = world.entries[i] = i;
  VerifyOptions options;
  options.rows_per_second = 10;
  EXPECT_GE(run(options).seconds, 6.9);
}

TEST_F(VerifyTest, ListsAreCutAndCountsAreNot) {
  for (int i = 0; i < 50; ++i) world.rows[i] = i;
  VerifyOptions options;
  options.max_differences = 5;
  const TableReport report = run(options);
  EXPECT_EQ(report.missing, 50U);
  EXPECT_EQ(report.differences.size(), 5U);
}

}  // namespace
}  // namespace millrace
