#include <algorithm>

#include "runtime/simulation_fakes.h"

namespace millrace::simulation {

Result<SourcePosition> ScriptedSource::open(const SourceResume& resume, TaskContext&) {
  if (world_.crashed || world_.fails()) return lost();
  begun_ = false;
  row_ = skip_ = 0;
  chunk_.clear();
  in_snapshot_ = world_.wants_snapshot && !resume.snapshot_complete;
  if (resume.position) {
    if (!not_ahead({0, database_.confirmed.commit, 0, {}}, *resume.position)) {
      world_.blame("the database has forgotten what the log does not have");
      return stop_error("the slot is ahead of the log");
    }
    position_ = *resume.position;
    next_ = database_.index_after(position_.commit);
    skip_ = world_.planted == Planted::kSourceSendsTwice ? 0 : static_cast<std::size_t>(position_.rows);
  } else {
    next_ = database_.slot_start = database_.transactions().size();
    database_.confirmed = {};
    position_ = {};
    if (next_ > 0) position_.commit = database_.transactions()[next_ - 1].commit;
  }
  return position_;
}

Result<SourcePosition> ScriptedSource::fill(BatchBuilder& out, std::int64_t) {
  if (world_.crashed) return lost();
  while (!out.full()) {
    if (world_.fails()) return lost();
    if (next_ == database_.transactions().size()) {
      if (world_.dice.chance(100)) position_.token = std::to_string(++keep_alives_);
      break;
    }
    const Transaction& transaction = database_.transactions()[next_];
    if (row_ == transaction.changes.size()) {
      if (world_.dice.chance(100)) break;  // the commit is not here yet
      if (begun_) out.end_transaction();
      begun_ = false;
      row_ = skip_ = 0;
      ++next_;
      position_.commit = transaction.commit;
      position_.rows = 0;
      if (world_.dice.chance(300)) break;
      continue;
    }
    if (row_ < skip_) {
      ++row_;
      continue;
    }
    if (!begun_) out.begin_transaction(transaction.commit, transaction.id, transaction.commit_us);
    begun_ = true;
    out.set_received_us(transaction.commit_us + 1);
    add_change(out, database_, transaction.changes[row_], static_cast<std::uint32_t>(row_));
    position_.rows = ++row_;
    if (world_.dice.chance(50)) break;
  }
  return position_;
}

Status ScriptedSource::acknowledge(const SourcePosition& durable) {
  if (world_.crashed) return lost();
  if (!not_ahead(durable, world_.on_disk)) world_.blame("acknowledged before it was on the log's disk");
  if (!not_ahead(database_.confirmed, durable)) world_.blame("acknowledged backwards");
  database_.confirmed = durable;
  if (world_.fails()) return lost();
  return {};
}

SourceStatus ScriptedSource::status() const {
  SourceStatus status;
  status.idle = !in_snapshot_ && next_ == database_.transactions().size();
  return status;
}

Result<std::vector<Chunk>> ScriptedSource::plan() {
  if (world_.crashed || world_.fails()) return lost();
  std::vector<Chunk> chunks;
  chunks.reserve(database_.tables());
  for (std::uint32_t table = 0; table < database_.tables(); ++table) {
    chunks.push_back({Database::topic(table), Database::topic(table), -1});
  }
  return chunks;
}

Result<bool> ScriptedSource::read(const Chunk& chunk, BatchBuilder& out, std::int64_t) {
  if (world_.crashed || world_.fails()) return lost();
  if (chunk_ != chunk.id) {
    chunk_ = chunk.id;
    chunk_rows_.clear();
    for (const auto& [key, value] : database_.contents(database_.transactions().size())) {
      if (Database::topic(key.first) == chunk.id) chunk_rows_.push_back({Op::kRead, key, value});
    }
  }
  if (chunk_rows_.empty()) return true;
  out.begin_transaction({}, 0, 0);
  while (!out.full() && !chunk_rows_.empty()) {
    add_change(out, database_, chunk_rows_.back(), 0);
    chunk_rows_.pop_back();
    if (world_.dice.chance(150)) break;
  }
  out.end_transaction();
  if (world_.fails()) return lost();
  return chunk_rows_.empty() && world_.dice.chance(700);
}

Result<SourcePosition> ScriptedSource::finish() {
  if (world_.crashed || world_.fails()) return lost();
  in_snapshot_ = false;
  return position_;
}

}  // namespace millrace::simulation
