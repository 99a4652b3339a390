#include "sink/redis/target/commands.h"

#include <algorithm>
#include <tuple>

#include "sink/redis/client/resp.h"

namespace millrace::redis {
namespace {

/// What the last row of `entry` alone does to the entry's key. False when that cannot be told.
bool find_action(const Overlay& overlay, Overlay::Entry& entry) {
  const Batch& batch = *overlay.batches[entry.last.batch].batch;
  const Row row = batch.row(entry.last.row);
  entry.action = Overlay::Action::kDelete;
  if (row.op == Op::kDelete) return true;
  const TablePlan& plan = *entry.plan;
  if (batch.schemas()[row.schema] != plan.schema) return false;
  if (std::any_of(row.after.begin(), row.after.end(), is_missing)) return false;
  std::string key;
  std::string member;
  if (plan.key->append(key, batch, row.after)) return true;  // it has left its key and got none
  if (plan.member && plan.member->append(member, RowCells(batch, row.after))) return false;
  if (key == overlay.key(entry) && member == overlay.member(entry)) entry.action = Overlay::Action::kPut;
  return true;
}

}  // namespace

CommandWriter::CommandWriter(const Target& target) : expiry_(target), writer_(make_target_writer(target)) {}

Status CommandWriter::append_entry(std::string& out, const Overlay& overlay, const Overlay::Entry& entry,
                                   std::uint32_t& commands) {
  const Item item(overlay, entry);
  const std::size_t start = out.size();
  commands = 0;
  if (entry.action == Overlay::Action::kDelete) {
    commands = 1;
    writer_->remove(out, item);
    writer_->finish(out, start, item, commands);
    return {};
  }
  Status done = writer_->put(out, item, commands);
  if (done) {
    expiry_.append(out, item, entry.moved_here, commands);
    writer_->finish(out, start, item, commands);
  } else {
    out.resize(start);
  }
  return done;
}

std::uint32_t CommandWriter::append(std::string& out, const Overlay& overlay, const Overlay::Entry& entry,
                                    std::vector<Rejected>& rejected) {
  std::uint32_t commands = 0;
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
      for (auto row = bad.rbegin(); row != bad.rend(); ++row)
        overlay.reject_row(*row, key, overlay.member(entry), error, rejected);
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
  const Item item(overlay, entry);
  const std::size_t start = out.size();
  const Status written = writer_->move(out, item, move);
  if (written) {
    std::uint32_t commands = 1;
    expiry_.append(out, item, true, commands);
    return commands;
  }
  out.resize(start);
  overlay.reject(entry, written.error().message, rejected);
  return 0;
}

}  // namespace millrace::redis
