#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "log/memory/memory_log.h"
#include "runtime/simulation.h"
#include "runtime/sink_task.h"
#include "runtime/source_task.h"

namespace millrace::simulation {
namespace {

constexpr const char* kSource = "db";
constexpr const char* kSink = "cache";

/// The program: all that a crash takes away.
struct Program {
  std::unique_ptr<Log> log;
  std::unique_ptr<LetterDesk> letters;
  std::unique_ptr<SourceTask> source;
  std::unique_ptr<SinkTask> sink;
  std::vector<Stage*> stages;
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, Planted planted);
  Outcome run();

 private:
  void start();
  void crash();
  void stop_gracefully();
  void act();
  void replay_letters();
  void send_all_letters();
  void settle_down();
  bool arrived();
  bool step(std::size_t stage);
  void check_failed();
  void check_log();
  void check_target();

  TaskSettings settings(const char* name) {
    RuntimeOptions options;
    options.batch_rows = 2 + shape_.below(8);
    return {name,     "simulated", *program_.log, clock_, logger_,
            metrics_, failpoints_, options,       false,  program_.letters.get()};
  }

  ManualClock clock_;
  Logger logger_;
  Metrics metrics_;
  FailPoints failpoints_;
  MemoryDisk disk_;
  Dice shape_;  // what the run is like; World's dice decide what happens in it
  World world_;
  Database database_;
  TargetDisk target_;
  std::size_t transactions_;
  std::size_t longest_;
  std::size_t actions_;
  Program program_;
  std::vector<std::pair<StreamPosition, Change>> logged_;  // all rows of the log, in order
  Outcome outcome_;
};

Simulation::Simulation(std::uint64_t seed, Planted planted)
    : shape_(seed),
      world_(shape_.next()),
      database_(1 + static_cast<std::uint32_t>(shape_.below(3))),
      transactions_(5 + shape_.below(80)),
      longest_(1 + shape_.below(40)),
      actions_(100 + shape_.below(1800)) {
  world_.planted = planted;
  world_.database = &database_;
  world_.error_rate = shape_.chance(250) ? 0 : shape_.below(40);
  world_.crash_rate = shape_.chance(250) ? 0 : shape_.below(40);
  world_.keeps_position = shape_.chance(700);
  world_.honours_applied = shape_.chance(800);
  world_.slowness = shape_.chance(500) ? 0 : shape_.below(950);
  world_.wants_snapshot = shape_.chance(600);
  world_.heals = planted == Planted::kLettersOverNewer || shape_.chance(500);
  for (std::size_t n = shape_.below(10); n > 0; --n) database_.commit_random(world_.dice, 1, longest_);
}

void Simulation::start() {
  world_.crashed = false;
  auto log = open_memory_log(disk_, {}, clock_, logger_, metrics_, failpoints_);
  MILLRACE_CHECK(log.has_value());
  program_.log = make_faulty_log(std::move(*log), world_);
  program_.letters = std::make_unique<LetterDesk>(clock_);
  MemoryShares shares;
  shares.source_queue_bytes = 1 + shape_.below(4000);
  shares.sink_in_flight_bytes = 1 + shape_.below(20'000);
  program_.source = std::make_unique<SourceTask>(settings(kSource),
                                                 std::make_unique<ScriptedSource>(database_, world_), shares);
  program_.sink = std::make_unique<SinkTask>(
      settings(kSink), std::make_unique<FakeTarget>(target_, world_), [](std::string_view) { return true; },
      shares);
  program_.stages = program_.source->stages();
  for (Stage* stage : program_.sink->stages()) program_.stages.push_back(stage);
}

void Simulation::crash() {
  world_.crashed = true;
  program_ = {};
  ++outcome_.crashes;
  // Now and then the target loses everything with it, and says so.
  if (world_.keeps_position && world_.planted == Planted::kNone && world_.dice.chance(50)) target_ = {};
  start();
}

void Simulation::stop_gracefully() {
  program_.source->request_stop();
  program_.sink->request_stop();
  std::set<std::size_t> running;
  for (std::size_t i = 0; i < program_.stages.size(); ++i) running.insert(i);
  for (int turns = 0; !running.empty(); ++turns) {
    if (turns == 2000) return world_.blame("a stage does not stop");
    for (auto it = running.begin(); it != running.end();) it = step(*it) ? std::next(it) : running.erase(it);
    clock_.advance_us(1000);
    if (world_.crashed) return crash();
  }
  program_ = {};
  start();
}

bool Simulation::step(std::size_t stage) {
  ++outcome_.steps;
  return program_.stages[stage]->step(clock_.now_us()) != StepOutcome::kDone;
}

void Simulation::act() {
  Dice& dice = world_.dice;
  const std::uint64_t choice = dice.below(1000);
  if (choice < 80) {
    if (database_.transactions().size() < transactions_) {
      database_.commit_random(dice, clock_.wall_us(), longest_);
    }
  } else if (choice < 200) {
    clock_.advance_us(
        static_cast<std::int64_t>(dice.chance(100) ? dice.below(5'000'000) : dice.below(200'000)));
  } else if (choice < 215) {
    stop_gracefully();
  } else if (world_.crash_rate > 0 && choice < 220) {
    crash();
  } else if (choice < 225) {
    if (world_.heals && dice.chance(300)) world_.healed = true;
    replay_letters();
  } else {
    static_cast<void>(step(dice.below(program_.stages.size())));
  }
  if (world_.crashed) crash();
  check_failed();
}

void Simulation::replay_letters() {
  LetterRequest request;
  request.force = world_.planted == Planted::kLettersOverNewer;
  static_cast<void>(program_.letters->submit(std::move(request)));  // too many wait: another time
}

/// The faults have ceased, and the target takes everything: each letter is taken, or was overtaken.
void Simulation::send_all_letters() {
  world_.healed = true;
  replay_letters();
  for (int turn = 0; turn < 4000 && world_.problem.empty(); ++turn) {
    for (std::size_t i = 0; i < program_.stages.size(); ++i) static_cast<void>(step(i));
    clock_.advance_us(1000);
    check_failed();
    if (program_.log->dead_letter_counts(kSink).open == 0) return;
  }
  world_.blame("dead letters were not sent again");
}

void Simulation::check_failed() {
  for (const ConnectorStatus& status :
       {program_.source->status(clock_.now_us()), program_.sink->status(clock_.now_us())}) {
    if (status.state == ConnectorState::kFailed) world_.blame(status.name + " failed: " + status.message);
  }
}

/// The faults cease: everything must arrive within a bounded time.
void Simulation::settle_down() {
  world_.error_rate = world_.crash_rate = 0;
  for (int turn = 0; turn < 4000 && world_.problem.empty(); ++turn) {
    for (std::size_t i = 0; i < program_.stages.size(); ++i) static_cast<void>(step(i));
    clock_.advance_us(turn % 10 == 0 ? 1'000'000 : 1000);
    if (turn % 8 == 0) {
      check_failed();
      if (arrived()) return;
    }
  }
  world_.blame("not everything arrived");
}

bool Simulation::arrived() {
  const auto stream = program_.log->open_stream(kSource);
  const auto position = program_.log->source_position(*stream);
  const auto settled = program_.log->settled(kSink);
  const auto latest = program_.log->latest();
  const auto state = program_.log->state(kSource);
  if (!*position || !*settled || !state->contains("snapshot")) return false;
  const bool all_read = database_.index_after((*position)->commit) == database_.transactions().size();
  if (world_.keeps_position && !target_.position.covers(**settled)) return false;
  return all_read && (*settled)->covers(*latest) && not_ahead(**position, database_.confirmed);
}

/// Each (commit, index) once and in order, without a gap, from the slot's start on.
void Simulation::check_log() {
  const auto streams = program_.log->streams();
  std::size_t next = database_.slot_start;
  std::size_t row_of_next = 0;
  for (std::uint64_t sequence = 0; sequence < streams->front().next_sequence; ++sequence) {
    const auto batch = program_.log->batch_at(streams->front().id, sequence);
    if (!batch) return world_.blame(batch.error().message);
    for (std::uint32_t i = 0; i < (*batch)->size(); ++i) {
      const Row row = (*batch)->row(i);
      logged_.push_back({{streams->front().id, sequence, i}, read_change(**batch, row)});
      const TransactionRecord& transaction = (*batch)->transaction(row);
      if (transaction.id == 0) continue;
      if (next == database_.transactions().size())
        return world_.blame("the log has rows the database has not");
      const Transaction& expected = database_.transactions()[next];
      if ((*batch)->commit(transaction) != expected.commit || row.index != row_of_next) {
        return world_.blame("the log does not have each row once and in order");
      }
      if (++row_of_next == expected.changes.size()) {
        row_of_next = 0;
        ++next;
      }
    }
  }
  if (next != database_.transactions().size()) world_.blame("the log lacks transactions");
}

void Simulation::check_target() {
  Contents source = world_.wants_snapshot ? Contents() : database_.contents(database_.slot_start);
  Contents expected;
  using Place = std::tuple<StreamId, std::uint64_t, std::uint32_t>;
  std::set<Place> rejects;
  for (const auto& [at, change] : logged_) {
    apply_change(source, change, false);
    apply_change(expected, change, !world_.heals);
    if (change.op != Op::kDelete && change.value.poison) rejects.insert({at.stream, at.sequence, at.row});
  }
  if (source != database_.contents(database_.transactions().size())) world_.blame("log and database differ");
  if (target_.contents != expected) world_.blame("target and log differ");
  const auto letters = program_.log->dead_letters(kSink, 0, 100'000);
  std::set<Place> parked;
  for (const DeadLetter& letter : *letters) {
    parked.insert({letter.rejected.stream, letter.rejected.sequence, letter.rejected.row});
    outcome_.letters_done += letter.state == LetterState::kDone ? 1 : 0;
    outcome_.letters_superseded += letter.state == LetterState::kSuperseded ? 1 : 0;
  }
  outcome_.dead_letters = parked.size();
  if (parked != rejects) world_.blame("the dead letters are not the rows the target refused");
  if (parked.size() != letters->size()) world_.blame("a row is among the dead letters twice");
}

Outcome Simulation::run() {
  start();
  for (std::size_t i = 0; i < actions_ && world_.problem.empty(); ++i) act();
  settle_down();
  if (world_.problem.empty() && world_.heals) send_all_letters();
  if (world_.problem.empty()) check_log();
  if (world_.problem.empty()) check_target();
  outcome_.problem = world_.problem;
  outcome_.transactions = database_.transactions().size();
  return outcome_;
}

}  // namespace

Outcome run(std::uint64_t seed, Planted planted) { return Simulation(seed, planted).run(); }

}  // namespace millrace::simulation
