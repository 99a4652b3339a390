#include "source/postgres/errors.h"

#include <algorithm>
#include <array>

namespace millrace::postgres {
namespace {

struct Rule {
  std::string_view sqlstate;  ///< a whole code, or the two characters of a class
  Next next;
  std::string_view hint;
};

constexpr std::array kRules = {
    Rule{"28P01", Next::kStop, "The password is wrong: see database.user and database.password."},
    Rule{"28000", Next::kStop,
         "The server refuses this login: see pg_hba.conf (a replication connection counts as its database), "
         "database.user, database.sslmode, and ALTER ROLE ... LOGIN REPLICATION."},
    Rule{"3D000", Next::kStop, "There is no such database: see database.dbname."},
    Rule{"42501", Next::kStop,
         "The role lacks a right. `millrace check` names each with the SQL that grants it (ALTER ROLE ... "
         "REPLICATION, "
         "GRANT SELECT, ownership of the publication's tables, BYPASSRLS)."},
    Rule{"55006", Next::kRetry, "Another connection uses it now; waiting until it is free."},
    Rule{"55P03", Next::kRetry, ""},
    Rule{"57014", Next::kRetry, ""},
    Rule{"57P03", Next::kRetry, "The server is starting up, shutting down or recovering."},
    Rule{"57P01", Next::kReconnect, ""},
    Rule{"57P02", Next::kReconnect, ""},
    Rule{"57P05", Next::kReconnect, "The server ended the connection for idling: see idle_session_timeout."},
    Rule{"25P03", Next::kReconnect,
         "The server ended the connection for idling: see idle_in_transaction_session_timeout."},
    Rule{"25P04", Next::kReconnect,
         "The server ended a transaction for its length: see transaction_timeout."},
    Rule{"72000", Next::kReconnect,
         "The server took a snapshot away for its age: see old_snapshot_threshold."},
    Rule{"57P04", Next::kStop, "The database was dropped."},
    Rule{"53400", Next::kStop,
         "All replication slots are taken: raise max_replication_slots, or drop one that is not needed "
         "(SELECT "
         "slot_name, active FROM pg_replication_slots;)."},
    Rule{"53", Next::kRetry, "The server is out of connections, memory or disk."},
    Rule{"08", Next::kReconnect, ""},
    Rule{"40", Next::kRetry, ""},
    Rule{"58P01", Next::kStop,
         "WAL that is still needed was removed. Drop the slot and start the connector anew with a snapshot."},
    Rule{"58", Next::kRetry, ""},
    Rule{"XX", Next::kRetry, "The server reports an internal error; its own log says more."},
};

const Rule* find_rule(std::string_view sqlstate) {
  const auto found = std::find_if(kRules.begin(), kRules.end(),
                                  [&](const Rule& rule) { return sqlstate.starts_with(rule.sqlstate); });
  return found == kRules.end() ? nullptr : &*found;
}

bool is_sqlstate(std::string_view text) {
  return text.size() == 5 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

std::string_view first_line(std::string_view text) {
  return text.substr(0, std::min(text.find('\n'), text.size()));
}

}  // namespace

Error server_error(std::string_view what, std::string_view sqlstate, std::string_view message) {
  std::string text(what);
  text += ": ";
  text += message;
  if (sqlstate.empty()) return reconnect_error(std::move(text));
  text += " (SQLSTATE " + std::string(sqlstate) + ")";
  if (sqlstate == "42704" && message.find("publication") != std::string_view::npos) {
    return stop_error(
        std::move(text),
        "The publication was made after the place in the WAL where the slot stands, so the server cannot "
        "decode from there. Make the publication first: drop the slot and start the connector anew.");
  }
  const Rule* rule = find_rule(sqlstate);
  if (rule == nullptr) return stop_error(std::move(text));
  return {rule->next, std::move(text), std::string(rule->hint)};
}

ConnectFailure read_connect_failure(std::string_view text) {
  ConnectFailure out;
  // With several addresses libpq lists each attempt; the last word is the one that counts.
  std::size_t at = text.size();
  while (at != 0 && (at = text.rfind(":  ", at - 1)) != std::string_view::npos) {
    const std::string_view code = text.substr(at + 3, 5);
    if (is_sqlstate(code) && text.substr(at + 8).starts_with(": ")) {
      out.sqlstate = code;
      out.message = first_line(text.substr(at + 10));
      return out;
    }
  }
  while (text.ends_with('\n')) text.remove_suffix(1);
  // Lines and their indentation become one line.
  for (const char c : text) {
    const bool space = c == '\n' || c == '\t' || c == ' ';
    if (!space) {
      out.message += c;
    } else if (!out.message.ends_with(' ')) {
      out.message += ' ';
    }
  }
  return out;
}

}  // namespace millrace::postgres
