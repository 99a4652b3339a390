#include "source/postgres/position.h"

#include <algorithm>

#include "base/text.h"

namespace millrace::postgres {
namespace {

constexpr std::string_view kNewStart =
    "To start anew: `millrace reset CONNECTOR`; with snapshot.mode initial the tables are then read again.";

/// The value of `name=` in `a=1;b=2`.
std::string_view token_part(std::string_view token, std::string_view name) {
  while (!token.empty()) {
    const std::size_t end = std::min(token.find(';'), token.size());
    const std::string_view part = token.substr(0, end);
    if (part.size() > name.size() && part.starts_with(name) && part[name.size()] == '=') {
      return part.substr(name.size() + 1);
    }
    token.remove_prefix(std::min(end + 1, token.size()));
  }
  return {};
}

Status check_identity(const StreamPoint& position, const ServerIdentity& server) {
  if (position.system_id != server.system_id) {
    return stop_error("this is another database server: its system identifier is " + server.system_id +
                          ", the position in the log is of " + position.system_id,
                      "Point database.hostname at the server captured so far. " + std::string(kNewStart));
  }
  if (position.timeline != server.timeline) {
    const auto left =
        std::find_if(server.history.begin(), server.history.end(),
                     [&](const ServerIdentity::Switch& s) { return s.timeline == position.timeline; });
    if (left == server.history.end() || position.next > left->end) {
      return stop_error(
          "the server is on timeline " + std::to_string(server.timeline) +
              " (promoted or restored), which does not contain the position in the log, " +
              lsn_text(position.next) + " on timeline " + std::to_string(position.timeline),
          "Transactions that were captured do not exist on this server. " + std::string(kNewStart));
    }
  }
  if (position.next > server.wal_end) {
    return stop_error("the server's log ends at " + lsn_text(server.wal_end) +
                          ", before the position in the log, " + lsn_text(position.next),
                      "The server was restored from a backup, or this is a standby that is behind. " +
                          std::string(kNewStart));
  }
  return {};
}

Status check_slot_kind(const SlotFacts& slot, const std::string& name, const std::string& database) {
  if (slot.type != "logical" || slot.plugin != "pgoutput") {
    return stop_error("replication slot " + name + " is of another kind (" + slot.type +
                          (slot.plugin.empty() ? "" : ", plugin " + slot.plugin) + "); pgoutput is needed",
                      "Set slot.name to another name, or drop the slot: SELECT pg_drop_replication_slot(" +
                          std::string("'") + name + "');");
  }
  if (slot.database != database) {
    return stop_error(
        "replication slot " + name + " belongs to database " + slot.database + ", not to " + database,
        "Set slot.name to a name that is free: slot names are shared by all databases of a server.");
  }
  if (slot.wal_status == "lost") {
    return stop_error("replication slot " + name + " has lost WAL that was not read yet (wal_status lost)",
                      "The server removed it because of max_slot_wal_keep_size. Drop the slot: SELECT "
                      "pg_drop_replication_slot('" +
                          name + "'); " + std::string(kNewStart));
  }
  return {};
}

}  // namespace

SourcePosition to_source_position(const StreamPoint& point) {
  SourcePosition out;
  out.epoch = point.epoch;
  out.commit = lsn_key(point.next);
  out.rows = point.open_rows;
  out.token = "system=" + point.system_id + ";timeline=" + std::to_string(point.timeline);
  if (point.open_rows > 0) out.token += ";open=" + lsn_key(point.open_commit);
  return out;
}

Result<StreamPoint> to_stream_point(const SourcePosition& position) {
  StreamPoint out;
  out.epoch = position.epoch;
  const auto next = parse_lsn_key(position.commit);
  const auto timeline = parse_uint64(token_part(position.token, "timeline"));
  out.system_id = token_part(position.token, "system");
  out.open_rows = position.rows;
  if (position.rows > 0) out.open_commit = parse_lsn_key(token_part(position.token, "open")).value_or(0);
  if (!next || !timeline || *timeline > 0xFFFFFFFFU || out.system_id.empty() ||
      (position.rows > 0 && out.open_commit == 0)) {
    return stop_error(
        "the position in the log is not one of a PostgreSQL source: commit '" + position.commit + "'",
        "The connector's name was used for another kind of source before. Give it a new name.");
  }
  out.next = *next;
  out.timeline = static_cast<std::uint32_t>(*timeline);
  return out;
}

std::partial_ordering compare_positions(const SourcePosition& a, const SourcePosition& b) {
  if (a.epoch != b.epoch) return a.epoch <=> b.epoch;
  if (token_part(a.token, "system") != token_part(b.token, "system")) return std::partial_ordering::unordered;
  if (!parse_lsn_key(a.commit) || !parse_lsn_key(b.commit)) return std::partial_ordering::unordered;
  if (a.commit != b.commit) return a.commit <=> b.commit;
  return a.rows <=> b.rows;
}

std::vector<ServerIdentity::Switch> parse_timeline_history(std::string_view content) {
  std::vector<ServerIdentity::Switch> out;
  while (!content.empty()) {
    const std::size_t end = std::min(content.find('\n'), content.size());
    const std::string_view line = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    const std::size_t first = line.find('\t');
    if (first == std::string_view::npos) continue;
    const std::size_t second = std::min(line.find('\t', first + 1), line.size());
    const auto timeline = parse_uint64(line.substr(0, first));
    const auto switched = parse_lsn(line.substr(first + 1, second - first - 1));
    if (timeline && switched) out.push_back({static_cast<std::uint32_t>(*timeline), *switched});
  }
  return out;
}

Status check_resume(const std::optional<StreamPoint>& position, const ServerIdentity& server,
                    const std::optional<SlotFacts>& slot, const std::string& slot_name,
                    const std::string& database) {
  if (position) MILLRACE_TRY(check_identity(*position, server));
  if (!slot) {
    if (!position) return {};
    return stop_error("replication slot " + slot_name + " is gone, and what changed since " +
                          lsn_text(position->next) + " cannot be read any more",
                      "It was dropped, or the server failed over without it. " + std::string(kNewStart));
  }
  MILLRACE_TRY(check_slot_kind(*slot, slot_name, database));
  if (position && slot->confirmed_flush > position->next) {
    return stop_error(
        "replication slot " + slot_name + " stands at " + lsn_text(slot->confirmed_flush) +
            ", past the position in the log, " + lsn_text(position->next) +
            ": the changes between them would be skipped",
        "The slot was moved by another reader or made anew, or the log was restored from a backup. " +
            std::string(kNewStart));
  }
  if (slot->active) {
    return retry_error("replication slot " + slot_name + " is in use by another connection (server process " +
                           std::to_string(slot->active_pid) + "); waiting for it",
                       "If that reader is to go: SELECT pg_terminate_backend(" +
                           std::to_string(slot->active_pid) + "); otherwise set slot.name to another name.");
  }
  return {};
}

}  // namespace millrace::postgres
