#include <algorithm>
#include <utility>

#include "runtime/simulation_fakes.h"

namespace millrace::simulation {
namespace {

Error target_lost() { return reconnect_error("target lost"); }

}  // namespace

Result<std::optional<LogPosition>> FakeTarget::open(TaskContext&) {
  if (world_.crashed || world_.fails()) return target_lost();
  in_flight_.clear();
  if (!world_.keeps_position) return std::optional<LogPosition>();
  return std::optional<LogPosition>(disk_.position);
}

Status FakeTarget::write(const ReadBatch& rows) {
  if (world_.crashed) return target_lost();
  check_complete(rows);
  in_flight_.push_back(rows);
  if (!world_.fails()) return {};
  // Some of it arrived, and the answers did not.
  Settled unheard;
  for (std::size_t n = world_.dice.below(in_flight_.size() + 1); n > 0; --n) {
    apply(in_flight_.front(), unheard);
    in_flight_.pop_front();
  }
  return target_lost();
}

Result<Settled> FakeTarget::poll(std::int64_t) {
  Settled answer;
  if (world_.crashed) return target_lost();
  if (world_.planted == Planted::kTargetAnswersEarly && !in_flight_.empty()) {
    answer.durable = in_flight_.back().after;
    if (world_.dice.chance(500)) return answer;
  }
  if (world_.dice.chance(world_.slowness)) return answer;
  const std::size_t most = in_flight_.size();
  for (std::size_t n = most == 0 ? 0 : 1 + world_.dice.below(most); n > 0; --n) {
    apply(in_flight_.front(), answer);
    if (world_.planted != Planted::kTargetAnswersEarly) answer.durable = in_flight_.front().after;
    in_flight_.pop_front();
    if (world_.dies() || world_.fails()) return target_lost();
  }
  return answer;
}

Result<Resent> FakeTarget::resend(const ReadBatch& rows, std::string_view) {
  if (world_.crashed || world_.fails()) return target_lost();
  const auto has_rows = [](const ReadBatch& one) { return one.first_row < one.end_row; };
  if (std::ranges::any_of(in_flight_, has_rows))
    world_.blame("a dead letter was sent while rows were in flight");
  const Change change = read_change(*rows.batch, rows.batch->row(rows.first_row));
  if (!world_.healed) {
    return Resent{
        {{rows.stream, rows.sequence, rows.first_row, Database::topic(change.key.first), "key", "poison"}}};
  }
  apply_change(disk_.contents, change, false);
  if (world_.dies() || world_.fails()) return target_lost();
  return Resent();
}

Status FakeTarget::settled(const LogPosition&) {
  if (world_.crashed || world_.fails()) return target_lost();
  return {};
}

void FakeTarget::apply(const ReadBatch& rows, Settled& answer) {
  const bool look_only = rows.already_applied && world_.honours_applied;
  for (std::uint32_t i = rows.first_row; i < rows.end_row; ++i) {
    if (!rows.selected(i)) continue;
    const Row row = rows.batch->row(i);
    const Change change = read_change(*rows.batch, row);
    const StreamPosition here{rows.stream, rows.sequence, i + 1};
    StreamPosition& last = disk_.last_row[rows.stream];
    if (look_only && here > disk_.position.at(rows.stream))
      world_.blame("a row the target lacks was not sent to it");
    if (world_.keeps_position && world_.honours_applied && !look_only && here <= last) {
      world_.blame("a row was applied twice");
    }
    if (!look_only) last = here;
    if (change.op != Op::kDelete && change.value.poison) {
      if (look_only && world_.planted == Planted::kRejectsForgotten) continue;
      answer.rejected.push_back(
          {rows.stream, rows.sequence, i, Database::topic(change.key.first), "key", "poison"});
    } else if (!look_only) {
      apply_change(disk_.contents, change, true);
    }
  }
  if (!look_only) disk_.position = rows.after;
}

/// What readers are given of a transaction that spans batches is there as a whole.
void FakeTarget::check_complete(const ReadBatch& rows) {
  for (std::uint32_t i = rows.first_row; i < rows.end_row; ++i) {
    const TransactionRecord& transaction = rows.batch->transaction(rows.batch->row(i));
    if (transaction.id == 0) continue;
    const std::string commit(rows.batch->commit(transaction));
    const std::size_t at = world_.database->index_after(commit) - 1;
    if (world_.rows_on_disk[commit] != world_.database->transactions()[at].changes.size()) {
      world_.blame("a partial transaction was visible");
    }
  }
}

}  // namespace millrace::simulation
