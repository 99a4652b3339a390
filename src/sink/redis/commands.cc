#include "sink/redis/commands.h"

#include <algorithm>
#include <tuple>

#include "format/row_json.h"
#include "sink/redis/resp.h"
#include "sink/redis/scripts.h"

namespace millrace::redis {
namespace {

/// What the last row of `entry` alone does to the entry's key. False when that cannot be told.
bool find_action(const Overlay& overlay, Overlay::Entry& entry) {
  const Batch& batch = *overlay.batches[entry.last.batch].batch;
  const Row row = batch.row(entry.last.row);
  entry.action = Overlay::Action::kDelete;
  if (row.op == Op::kDelete) return true;
  if (batch.schemas()[row.schema] != entry.plan->schema) return false;
  if (std::any_of(row.after.begin(), row.after.end(), is_missing)) return false;
  std::string key;
  if (entry.plan->key->append(key, batch, row.after)) return true;  // it has left its key and got none
  if (key == overlay.key(entry)) entry.action = Overlay::Action::kPut;
  return true;
}

}  // namespace

CommandWriter::CommandWriter(TargetType target) : target_(target) {
  move_script_ = "local function merge(KEYS, ARGV)\n";
  move_script_ += target == TargetType::kJson ? kMergeJson : kMergeHash;
  move_script_ += kMoveTail;
}

/// Redis ends the connection over a longer one, and would again.
Status CommandWriter::check_size(const TablePlan& plan) const {
  if (document_.size() < max_value_bytes_) return {};
  return reject_error("a row of table " + plan.schema->table + " has more than the " +
                      std::to_string(max_value_bytes_) + " bytes that Redis takes (proto-max-bulk-len)");
}

void CommandWriter::gather(const Overlay& overlay, const Overlay::Entry& entry) {
  kept_.clear();
  gone_.clear();
  values_ = 0;
  if (entry.image >= 0) {
    cells_ = overlay.images[static_cast<std::size_t>(entry.image)];
  } else {
    const Batch* batch = overlay.batches[entry.last.batch].batch.get();
    cells_.clear();
    for (const Cell& cell : batch->row(entry.last.row).after) cells_.push_back({batch, cell});
  }
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const CellType type = cells_[i].cell.type;
    if (type == CellType::kUnchanged) kept_.push_back(static_cast<std::uint16_t>(i));
    if (type == CellType::kNull) gone_.push_back(entry.plan->schema->columns[i].name);
    if (type > CellType::kAbsent) ++values_;
  }
  gone_.insert(gone_.end(), entry.plan->dropped.begin(), entry.plan->dropped.end());
}

/// `{"a":1,"b":2` of what is known: without the last brace.
Status CommandWriter::json_document(const TablePlan& plan) {
  document_.assign(1, '{');
  bool first = true;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (is_missing(cells_[i].cell)) continue;
    MILLRACE_TRY(plan.json->append_member(document_, *cells_[i].batch, i, cells_[i].cell, first));
    first = false;
  }
  return check_size(plan);
}

/// Head of a call of the merge script, by its name; with its text and the position when the key changes, so
/// that there is no way for the one to be done without the other. `arguments` more of ARGV follow.
void CommandWriter::append_merge(std::string& out, std::string_view key, const Move* move,
                                 std::size_t arguments) {
  if (move == nullptr) {
    append_header(out, 5 + arguments);
    append_argument(out, "EVALSHA");
    append_argument(out, scripts_.merge);
    append_argument(out, "2");
    append_argument(out, key);
    append_argument(out, key);
    return;
  }
  append_header(out, 6 + (move->position.size() - 2) + arguments);
  append_argument(out, "EVAL");
  append_argument(out, move_script_);
  append_argument(out, "3");
  append_argument(out, move->from);
  append_argument(out, key);
  for (std::size_t i = 1; i < move->position.size(); ++i) append_argument(out, move->position[i]);
}

Status CommandWriter::append_json(std::string& out, std::string_view key, const TablePlan& plan,
                                  const Move* move) {
  MILLRACE_TRY(json_document(plan));
  if (kept_.empty() && move == nullptr) {
    document_ += '}';
    append_command(out, {"JSON.SET", key, "$", document_});
    return {};
  }
  append_merge(out, key, move, 1 + 2 * kept_.size());
  append_argument(out, document_);
  for (const std::uint16_t column : kept_) {
    append_argument(out, plan.path[column]);
    append_argument(out, plan.json->prefix(column));
  }
  return {};
}

Status CommandWriter::append_fields(std::string& out, const TablePlan& plan) {
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (!has_value(cells_[i].cell)) continue;
    append_argument(out, plan.schema->columns[i].name);
    document_.clear();
    MILLRACE_TRY(plan.json->append_text(document_, *cells_[i].batch, i, cells_[i].cell));
    MILLRACE_TRY(check_size(plan));
    append_argument(out, document_);
  }
  return {};
}

Status CommandWriter::append_hash(std::string& out, std::string_view key, const TablePlan& plan,
                                  const Move* move, std::uint32_t& commands) {
  if (!kept_.empty() || move != nullptr) {
    append_merge(out, key, move, 1 + kept_.size() + 1 + gone_.size() + 2 * values_);
    append_argument(out, static_cast<std::int64_t>(kept_.size()));
    for (const std::uint16_t column : kept_) append_argument(out, plan.schema->columns[column].name);
    append_argument(out, static_cast<std::int64_t>(gone_.size()));
    for (const std::string_view name : gone_) append_argument(out, name);
    return append_fields(out, plan);
  }
  append_header(out, 2 + 2 * values_);
  append_argument(out, "HSET");
  append_argument(out, key);
  MILLRACE_TRY(append_fields(out, plan));
  if (gone_.empty()) return {};
  // The hash is not removed first: that would take a key of another type along, which is not ours.
  ++commands;
  append_header(out, 2 + gone_.size());
  append_argument(out, "HDEL");
  append_argument(out, key);
  for (const std::string_view name : gone_) append_argument(out, name);
  return {};
}

Status CommandWriter::append_document(std::string& out, std::string_view key, const TablePlan& plan,
                                      const Move* move, std::uint32_t& commands) {
  commands = 1;
  const std::size_t start = out.size();
  Status done = target_ == TargetType::kJson ? append_json(out, key, plan, move)
                                             : append_hash(out, key, plan, move, commands);
  if (!done) out.resize(start);
  return done;
}

Status CommandWriter::append_entry(std::string& out, const Overlay& overlay, const Overlay::Entry& entry,
                                   std::uint32_t& commands) {
  const std::string_view key = overlay.key(entry);
  commands = 1;
  if (entry.action == Overlay::Action::kDelete) {
    if (target_ == TargetType::kJson) {
      append_command(out, {"JSON.DEL", key});
    } else {
      append_command(out, {"EVALSHA", scripts_.remove, "1", key});
    }
    return {};
  }
  if (target_ != TargetType::kJson || entry.action != Overlay::Action::kPut || entry.image >= 0) {
    gather(overlay, entry);
    return append_document(out, key, *entry.plan, nullptr, commands);
  }
  const Batch& batch = *overlay.batches[entry.last.batch].batch;
  document_.clear();
  MILLRACE_TRY(entry.plan->json->append(document_, batch, batch.row(entry.last.row).after));
  MILLRACE_TRY(check_size(*entry.plan));
  append_command(out, {"JSON.SET", key, "$", document_});
  return {};
}

std::uint32_t CommandWriter::append(std::string& out, const Overlay& overlay, const Overlay::Entry& entry,
                                    std::vector<Rejected>& rejected) {
  std::uint32_t commands = 1;
  const Status written = append_entry(out, overlay, entry, commands);
  return written ? commands : append_last_good(out, overlay, entry, written.error().message, rejected);
}

/// The newest earlier state of the entry's key that can be written; the rows behind it are rejected. Only a
/// row that tells its document by itself has a state of its own here.
std::uint32_t CommandWriter::append_last_good(std::string& out, const Overlay& overlay,
                                              const Overlay::Entry& entry, const std::string& error,
                                              std::vector<Rejected>& rejected) {
  std::vector<RowId> bad = {entry.last};
  for (std::int32_t link = entry.earlier; link >= 0;) {
    Overlay::Entry earlier = entry;
    std::tie(earlier.last, earlier.earlier) = overlay.links[static_cast<std::size_t>(link)];
    earlier.image = -1;
    link = earlier.earlier;
    std::uint32_t commands = 0;
    if (find_action(overlay, earlier) && append_entry(out, overlay, earlier, commands)) {
      const std::string_view key = overlay.key(entry);
      for (auto row = bad.rbegin(); row != bad.rend(); ++row) overlay.reject_row(*row, key, error, rejected);
      return commands;
    }
    bad.push_back(earlier.last);
  }
  overlay.reject(entry, error, rejected);
  return 0;
}

std::uint32_t CommandWriter::append_move(std::string& out, const Overlay& overlay, const Move& move,
                                         std::vector<Rejected>& rejected) {
  const Overlay::Entry& entry = overlay.entries.front();
  gather(overlay, entry);
  std::uint32_t commands = 1;
  const Status written = append_document(out, overlay.key(entry), *entry.plan, &move, commands);
  if (written) return commands;
  overlay.reject(entry, written.error().message, rejected);
  return 0;
}

}  // namespace millrace::redis
