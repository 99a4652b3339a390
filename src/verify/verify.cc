#include "verify/verify.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "format/row_json.h"

namespace millrace {
namespace {

using Kind = EntryState::Kind;

constexpr std::size_t kMaxSuspects = 20'000;  // more are sorted out before the table is read on
constexpr std::size_t kLooksAtOnce = 500;
constexpr std::int64_t kFirstDelayUs = 100'000;
constexpr std::int64_t kMaxDelayUs = 2'000'000;
constexpr std::int64_t kStepUs = 100'000;
constexpr int kPatience = 3;  // times settle_ms, for a row that does not hold still
constexpr int kMaxRepairs = 5;
constexpr std::uint64_t kNotKnown = ~0ULL;
constexpr std::size_t kMaxBytes = 64U << 20U;  // of rows held at once
constexpr std::string_view kNoValue =
    "the source does not take the text of its own key for a value of it, so the row cannot be looked at "
    "again";

std::string key_of(const RowName& name) {
  std::string key;
  for (const auto& [column, value] : name) key += value + '\0';
  return key;
}

}  // namespace

/// An entry that did not agree with its row when last looked at.
struct Verifier::Suspect {
  RowName name;
  std::string output;
  std::string handle;
  std::string place;
  std::set<std::uint64_t> wanted_before;  // what the row was to be at each look; 0: nothing
  std::uint64_t wanted = 0;
  std::int64_t first_us = 0;
  std::int64_t changed_us = 0;  // when `wanted` was last seen to change
  std::int64_t next_us = 0;
  std::int64_t delay_us = kFirstDelayUs;
  int repairs = 0;
  bool by_row = false;  // named by a row that was read, else by its place in the target
  bool done = false;
};

Verifier::Verifier(TableScanner& source, TargetVerifier& target, VerifyOptions options, TaskContext& context)
    : source_(source), target_(target), options_(std::move(options)), context_(context) {}

Verifier::~Verifier() = default;

Result<TableReport> Verifier::table(const ScanTable& table,
                                    const std::function<void(std::uint64_t)>& progress) {
  const std::int64_t begin_us = context_.clock.now_us();
  table_ = &table;
  report_ = {};
  suspects_.clear();
  report_.topic = table.topic;
  report_.table = table.name;
  bool any = false;
  report_.limits = target_.limits(table.topic, any);
  report_.skipped = table.unfit;
  if (!any && report_.skipped.empty()) report_.skipped = "nothing of it is compared";
  if (report_.skipped.empty()) {
    MILLRACE_TRY(source_.begin(table));
    MILLRACE_TRY(target_.begin(table));
    MILLRACE_TRY(read_rows(progress));
    MILLRACE_TRY(find_extras());
    MILLRACE_TRY(settle(true));
  }
  report_.seconds = static_cast<double>(context_.clock.now_us() - begin_us) / 1e6;
  return std::move(report_);
}

void Verifier::wait_until(std::int64_t until_us) {
  while (context_.clock.now_us() < until_us && !context_.stop.stop_requested()) {
    context_.clock.sleep_until(std::min(until_us, context_.clock.now_us() + kStepUs));
  }
}

RowName Verifier::name_of(const Batch& batch, std::uint32_t row) const {
  RowName out;
  const Row r = batch.row(row);
  const TableSchema& schema = batch.schema(r);
  for (const std::uint16_t column : schema.key_columns) {
    std::string text;
    static_cast<void>(append_text_cell(text, batch, r.after[column], {}));
    out.emplace_back(schema.columns[column].name, std::move(text));
  }
  return out;
}

Status Verifier::read_rows(const std::function<void(std::uint64_t)>& progress) {
  const std::int64_t begin_us = context_.clock.now_us();
  for (bool end = false; !end;) {
    if (context_.stop.stop_requested()) return retry_error("stopped");
    BatchBuilder rows({kMaxBytes, options_.chunk_rows + 1});
    auto read = source_.read(options_.chunk_rows, rows);
    if (!read) return std::move(read).error();
    end = *read;
    if (const BatchPtr batch = rows.seal()) {
      report_.rows += batch->size();
      std::vector<EntryState> states;
      MILLRACE_TRY(target_.compare(batch, states));
      MILLRACE_TRY(add_suspects(batch, states));
    }
    progress(report_.rows);
    MILLRACE_TRY(settle(suspects_.size() >= kMaxSuspects));
    if (options_.rows_per_second <= 0) continue;
    wait_until(begin_us + static_cast<std::int64_t>(report_.rows) * 1'000'000 / options_.rows_per_second);
  }
  return {};
}

Status Verifier::add_suspects(const BatchPtr& batch, const std::vector<EntryState>& states) {
  const std::int64_t now_us = context_.clock.now_us();
  for (const EntryState& state : states) {
    if (state.may_have_ended && !is_mended_at_once(state)) continue;
    ++report_.looked_again;
    Suspect one;
    one.name = name_of(*batch, state.row);
    one.output = state.output;
    one.handle = state.handle;
    one.place = state.place;
    one.wanted = state.wanted;
    one.wanted_before = {state.wanted};
    one.first_us = one.changed_us = now_us;
    one.next_us = now_us + one.delay_us;
    one.by_row = true;
    Suspect& suspect = suspects_.emplace_back(std::move(one));
    if (is_mended_at_once(state)) mend(suspect, state);
  }
  return {};
}

Status Verifier::find_extras() {
  for (bool end = false; !end;) {
    if (context_.stop.stop_requested()) return retry_error("stopped");
    std::vector<ExtraEntry> found;
    auto more = target_.find_extra(found);
    if (!more) return std::move(more).error();
    end = *more;
    const std::int64_t now_us = context_.clock.now_us();
    report_.looked_again += found.size();
    for (ExtraEntry& entry : found) {
      Suspect one;
      one.name = std::move(entry.name);
      one.output = std::move(entry.output);
      one.handle = std::move(entry.handle);
      one.place = std::move(entry.place);
      one.wanted = kNotKnown;
      one.first_us = one.changed_us = one.next_us = now_us;
      suspects_.push_back(std::move(one));
    }
    MILLRACE_TRY(settle(suspects_.size() >= kMaxSuspects));
  }
  return {};
}

/// Looks at those that are due; with `all` until none is left.
Status Verifier::settle(bool all) {
  MILLRACE_TRY(repair_all());
  while (!suspects_.empty()) {
    if (context_.stop.stop_requested()) return retry_error("stopped");
    const std::int64_t now_us = context_.clock.now_us();
    std::vector<Suspect*> due;
    std::int64_t next_us = now_us + kMaxDelayUs;
    for (Suspect& one : suspects_) {
      next_us = std::min(next_us, one.next_us);
      if (one.next_us <= now_us) due.push_back(&one);
    }
    if (due.empty()) {
      if (!all) return {};
      wait_until(next_us);
      continue;
    }
    MILLRACE_TRY(look_at_all(std::move(due)));
    std::erase_if(suspects_, [](const Suspect& one) { return one.done; });
  }
  return {};
}

/// Rows are looked up by the same columns together.
Status Verifier::look_at_all(std::vector<Suspect*> due) {
  while (!due.empty()) {
    const RowName& first = due.front()->name;
    std::vector<Suspect*> alike;
    std::vector<Suspect*> others;
    std::ranges::partition_copy(due, std::back_inserter(alike), std::back_inserter(others),
                                [&](const Suspect* one) {
                                  return std::ranges::equal(one->name, first, {}, &RowName::value_type::first,
                                                            &RowName::value_type::first);
                                });
    for (std::span<Suspect* const> rest = alike; !rest.empty();) {
      if (context_.stop.stop_requested()) return retry_error("stopped");
      const std::size_t count = std::min(rest.size(), kLooksAtOnce);
      MILLRACE_TRY(look_again(rest.first(count)));
      rest = rest.subspan(count);
    }
    due = std::move(others);
  }
  return {};
}

Result<Verifier::Rows> Verifier::look_up(const std::vector<RowName>& names) {
  Rows out;
  BatchBuilder rows({kMaxBytes, kLooksAtOnce * 2});
  auto looked = source_.look_up(names, rows);
  if (!looked) return std::move(looked).error();
  out.full = looked->full;
  out.no_values = std::move(looked->no_values);
  out.batch = rows.seal();
  if (!out.batch) return out;
  const TableSchema& schema = *out.batch->schemas().front();
  for (std::uint32_t row = 0; row < out.batch->size(); ++row) {
    RowName name;
    for (const auto& [column, value] : names.front()) {
      std::string text;
      const auto at = find_column(schema, column);
      if (at) static_cast<void>(append_text_cell(text, *out.batch, out.batch->row(row).after[*at], {}));
      name.emplace_back(column, std::move(text));
    }
    out.row_of.insert_or_assign(key_of(name), row);
  }
  return out;
}

Status Verifier::look_again(std::span<Suspect* const> due) {
  std::vector<RowName> names;
  names.reserve(due.size());
  for (const Suspect* one : due) names.push_back(one->name);
  auto rows = look_up(names);
  if (!rows) return std::move(rows).error();
  if (rows->full) {
    MILLRACE_TRY(look_again(due.first(due.size() / 2)));
    return look_again(due.subspan(due.size() / 2));
  }
  std::vector<EntryState> states;
  if (rows->batch) MILLRACE_TRY(target_.compare(rows->batch, states));
  std::map<std::pair<std::uint32_t, std::string>, const EntryState*> state_of;
  for (const EntryState& state : states) state_of.emplace(std::pair(state.row, state.output), &state);
  for (const std::size_t at : rows->no_values) {
    if (due[at]->by_row) conclude_unwritable(*due[at], kNoValue);
  }
  std::vector<Suspect*> absent;
  for (Suspect* one : due) {
    if (one->done) continue;
    const auto row = rows->row_of.find(key_of(one->name));
    if (row == rows->row_of.end()) {
      absent.push_back(one);
      continue;
    }
    const auto state = state_of.find({row->second, one->output});
    // It may be another entry by now: the row's key in the target has changed.
    if (state == state_of.end()) {
      clear(*one);
    } else {
      take_state(*one, *state->second);
    }
  }
  MILLRACE_TRY(look_at_absent(absent));
  return repair_all();
}

/// Rows that are not there: nothing should be in their places.
Status Verifier::look_at_absent(std::vector<Suspect*>& absent) {
  std::vector<ExtraEntry> entries;
  entries.reserve(absent.size());
  for (const Suspect* one : absent)
    entries.push_back(
        {.output = one->output, .place = one->place, .handle = one->handle, .name = one->name, .found = 0});
  MILLRACE_TRY(target_.look(entries));
  for (std::size_t i = 0; i < absent.size(); ++i) {
    EntryState state{.kind = Kind::kExtra, .output = entries[i].output, .place = entries[i].place};
    state.handle = entries[i].handle;
    state.found = entries[i].found;
    if (state.found == 0) {
      clear(*absent[i]);
    } else {
      take_state(*absent[i], state);
    }
  }
  return {};
}

void Verifier::take_state(Suspect& suspect, const EntryState& state) {
  suspect.place = state.place;
  suspect.handle = state.handle;
  if (state.may_have_ended && (suspect.repairs > 0 || !is_mended_at_once(state))) return clear(suspect);
  // It did not agree with its row when first looked at, and now shows what the row was since: it follows.
  if (state.kind != Kind::kUnwritable && suspect.wanted_before.contains(state.found)) return clear(suspect);
  const std::int64_t now_us = context_.clock.now_us();
  if (suspect.wanted != state.wanted) {
    suspect.changed_us = now_us;
    suspect.wanted = state.wanted;
    suspect.wanted_before.insert(state.wanted);
  }
  judge(suspect, state);
}

/// What no row says may be what the sink is about to build on, or to take away by itself: it is given time.
bool Verifier::is_mended_at_once(const EntryState& state) const {
  return options_.at_once && state.kind != Kind::kExtra && options_.repair.contains(state.kind);
}

void Verifier::judge(Suspect& suspect, const EntryState& state) {
  const std::int64_t now_us = context_.clock.now_us();
  const std::int64_t settle_us = options_.settle_ms * 1000;
  if (suspect.repairs == 0 && is_mended_at_once(state)) return mend(suspect, state);
  const bool over = now_us - suspect.first_us >= settle_us;
  const bool still = now_us - suspect.changed_us >= settle_us / 2;
  if (over && still) return mend(suspect, state);
  if (now_us - suspect.first_us >= settle_us * kPatience) return conclude(suspect, state, true);
  suspect.delay_us = std::min(suspect.delay_us * 2, kMaxDelayUs);
  suspect.next_us = now_us + std::min(suspect.delay_us, std::max<std::int64_t>(settle_us / 4, kFirstDelayUs));
}

void Verifier::mend(Suspect& suspect, const EntryState& state) {
  // An entry of our own making, whose row has gone meanwhile, is taken away again unasked.
  const bool wanted = options_.repair.contains(state.kind) || suspect.repairs > 0;
  if (!wanted || suspect.repairs >= kMaxRepairs) return conclude(suspect, state, false);
  ++suspect.repairs;
  repairs_.push_back({&suspect, state});
}

Status Verifier::repair_all() {
  std::vector<Repair> repairs = std::exchange(repairs_, {});
  for (std::span<Repair> rest = repairs; !rest.empty();) {
    const std::size_t count = std::min(rest.size(), kLooksAtOnce);
    MILLRACE_TRY(repair_some(rest.first(count)));
    rest = rest.subspan(count);
  }
  return {};
}

/// The rows are read once more behind the look at the target: what the target still is by then cannot be
/// newer than the row, so nothing newer is written over.
Status Verifier::repair_some(std::span<Repair> repairs) {
  std::vector<RowName> names;
  names.reserve(repairs.size());
  for (const Repair& one : repairs) names.push_back(one.suspect->name);
  auto rows = look_up(names);
  if (!rows) return std::move(rows).error();
  if (rows->full) {
    MILLRACE_TRY(repair_some(repairs.first(repairs.size() / 2)));
    return repair_some(repairs.subspan(repairs.size() / 2));
  }
  for (const std::size_t at : rows->no_values) {
    if (repairs[at].suspect->by_row) conclude_unwritable(*repairs[at].suspect, kNoValue);
  }
  std::vector<Repair> to_write;
  std::vector<Repair> to_remove;
  for (Repair& one : repairs) {
    if (one.suspect->done) continue;
    const auto row = rows->row_of.find(key_of(one.suspect->name));
    const bool is_there = row != rows->row_of.end();
    if (is_there) one.state.row = row->second;
    if (is_there == (one.state.kind == Kind::kExtra)) {
      take_repaired(one, {});  // it has come or gone meanwhile
    } else {
      (is_there ? to_write : to_remove).push_back(std::move(one));
    }
  }
  MILLRACE_TRY(write_rows(rows->batch, to_write));
  return remove_entries(to_remove);
}

Status Verifier::write_rows(const BatchPtr& batch, std::vector<Repair>& repairs) {
  if (repairs.empty()) return {};
  std::vector<EntryState> states;
  states.reserve(repairs.size());
  for (const Repair& one : repairs) states.push_back(one.state);
  const auto done = target_.repair(batch, states);
  if (!done) return done.error();
  for (std::size_t i = 0; i < repairs.size(); ++i) take_repaired(repairs[i], (*done)[i]);
  return {};
}

Status Verifier::remove_entries(std::vector<Repair>& repairs) {
  if (repairs.empty()) return {};
  if (const std::string why_not = options_.why_not_remove ? options_.why_not_remove() : "";
      !why_not.empty()) {
    for (Repair& one : repairs) {
      one.state.reason = "not removed, as " + why_not;
      conclude(*one.suspect, one.state, false);
    }
    return {};
  }
  std::vector<ExtraEntry> entries;
  entries.reserve(repairs.size());
  for (const Repair& one : repairs) {
    entries.push_back({.output = one.state.output,
                       .place = one.state.place,
                       .handle = one.state.handle,
                       .name = {},
                       .found = one.state.found});
  }
  const auto done = target_.remove(entries);
  if (!done) return done.error();
  for (std::size_t i = 0; i < repairs.size(); ++i) take_repaired(repairs[i], (*done)[i]);
  return {};
}

void Verifier::take_repaired(Repair& repair, const Repaired& repaired) {
  Suspect& suspect = *repair.suspect;
  if (!repaired.error.empty()) {
    repair.state.reason = "it cannot be repaired: " + repaired.error;
    return conclude(suspect, repair.state, false);
  }
  // Looked at again like any other, whether it was done or somebody was faster; what the row was before
  // excuses nothing any more.
  suspect.wanted_before.clear();
  suspect.wanted = kNotKnown;
  suspect.first_us = suspect.changed_us = context_.clock.now_us();
  suspect.next_us = suspect.first_us;
  suspect.delay_us = kFirstDelayUs;
}

void Verifier::clear(Suspect& suspect) {
  suspect.done = true;
  if (suspect.repairs > 0) ++report_.repaired;
}

void Verifier::conclude_unwritable(Suspect& suspect, std::string_view reason) {
  EntryState state{.kind = Kind::kUnwritable, .output = suspect.output, .place = suspect.place};
  state.reason = reason;
  conclude(suspect, state, false);
}

void Verifier::conclude(Suspect& suspect, const EntryState& state, bool moving) {
  suspect.done = true;
  if (moving) {
    ++report_.unsettled;
  } else {
    std::uint64_t& count = state.kind == Kind::kMissing     ? report_.missing
                           : state.kind == Kind::kDifferent ? report_.different
                           : state.kind == Kind::kExtra     ? report_.extra
                                                            : report_.unwritable;
    ++count;
  }
  if (report_.differences.size() >= options_.max_differences) return;
  report_.differences.push_back(
      {state.kind, moving, state.output, state.place, suspect.name, state.fields, state.reason});
}

}  // namespace millrace
