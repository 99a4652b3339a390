#include "cli/views.h"

#include <algorithm>

#include "base/text.h"
#include "cli/table.h"
#include "connect/fault.h"

namespace millrace {
namespace {

std::uint64_t positive(std::int64_t value) { return value < 0 ? 0 : static_cast<std::uint64_t>(value); }

std::string lag_of(const ConnectorView& one) {
  std::string out = one.lag_ms < 0 ? "-" : human_millis(one.lag_ms);
  if (one.lag_bytes > 0) out += " (" + human_bytes(positive(one.lag_bytes)) + ")";
  return out;
}

}  // namespace

std::string human_millis(std::int64_t millis) { return millis == 0 ? "0 ms" : human_duration(millis * 1000); }

ConnectorView view_of(const ConnectorStatus& status) {
  ConnectorView view;
  view.name = status.name;
  view.kind = status.kind;
  view.state = state_name(status.state, status.is_source);
  view.message = status.message;
  view.hint = status.hint;
  view.position = status.position;
  view.lag_bytes = status.lag_bytes;
  view.lag_ms = status.lag_ms;
  view.rows = static_cast<std::int64_t>(status.rows);
  view.errors = static_cast<std::int64_t>(status.errors);
  view.dead_letters = static_cast<std::int64_t>(status.dead_letters);
  view.snapshot = status.snapshot;
  view.warnings = status.warnings;
  return view;
}

std::string status_table(const std::vector<ConnectorView>& connectors) {
  if (connectors.empty()) return "no connectors\n";
  TextTable table(
      {{"CONNECTOR"}, {"KIND"}, {"STATE"}, {"POSITION"}, {"LAG"}, {"ROWS", true}, {"ERRORS", true}});
  std::string notes;
  for (const ConnectorView& one : connectors) {
    table.add({one.name, one.kind, one.state, one.position.empty() ? "-" : printable(one.position, 60),
               lag_of(one), grouped(positive(one.rows)), grouped(positive(one.errors))});
    if (one.snapshot.active) {
      notes += one.name + ": snapshot of " + one.snapshot.table + ", " + grouped(one.snapshot.rows_done) +
               " rows, " + std::to_string(one.snapshot.tables_done) + " of " +
               std::to_string(one.snapshot.tables_total) + " tables done\n";
    }
    if (!one.message.empty()) notes += one.name + ": " + printable(one.message, 1000) + "\n";
    if (!one.hint.empty()) notes += "  hint: " + printable(one.hint, 1000) + "\n";
    if (one.dead_letters > 0) {
      notes += one.name + ": " + grouped(positive(one.dead_letters)) +
               " dead letters; see `millrace dead-letters " + one.name + "`\n";
    }
    for (const std::string& warning : one.warnings)
      notes += one.name + ": " + printable(warning, 1000) + "\n";
  }
  return table.text() + (notes.empty() ? "" : "\n" + notes);
}

std::string topics_table(const std::vector<TopicView>& topics) {
  if (topics.empty()) return "no topics\n";
  TextTable table({{"TOPIC"}, {"FIRST", true}, {"NEXT", true}, {"ROWS", true}, {"SIZE", true}});
  for (const TopicView& one : topics) {
    table.add({printable(one.topic, 300), std::to_string(one.first_offset), std::to_string(one.next_offset),
               grouped(positive(one.next_offset - one.first_offset)), human_bytes(positive(one.bytes))});
  }
  return table.text();
}

namespace {

std::string or_dash(const std::string& text) { return text.empty() ? "-" : printable(text, 300); }

}  // namespace

std::string dead_letters_table(const std::vector<DeadLetterView>& letters) {
  if (letters.empty()) return "no dead letters\n";
  TextTable table({{"ID", true}, {"AT"}, {"STATE"}, {"TOPIC"}, {"OUTPUT"}, {"TARGET KEY"}, {"ERROR"}});
  for (const DeadLetterView& one : letters) {
    table.add({std::to_string(one.id), one.at, one.state, printable(one.topic, 300), or_dash(one.output),
               printable(one.target_key, 300), printable(one.error, 1000)});
  }
  return table.text();
}

std::string letter_groups_table(const std::vector<LetterGroupView>& groups) {
  if (groups.empty()) return "no dead letters\n";
  TextTable table({{"COUNT", true}, {"FIRST"}, {"LAST"}, {"TOPIC"}, {"OUTPUT"}, {"ERROR"}});
  for (const LetterGroupView& one : groups) {
    table.add({grouped(positive(one.count)), one.first_at, one.last_at, printable(one.topic, 300),
               or_dash(one.output), printable(one.error, 1000)});
  }
  return table.text();
}

std::string operation_text(const LetterOperationView& operation) {
  std::string out = operation.state + ": " + grouped(positive(operation.matched)) + " dead letters";
  for (const auto& [count, what] :
       {std::pair(operation.done, "sent and taken"), std::pair(operation.failed, "rejected again"),
        std::pair(operation.superseded, "superseded by later changes"),
        std::pair(operation.held, "not sent (their history says why)"),
        std::pair(operation.dropped, "dropped")}) {
    if (count > 0) out += ", " + grouped(positive(count)) + " " + what;
  }
  if (!operation.message.empty()) out += "; " + printable(operation.message, 1000);
  return out + "\n";
}

}  // namespace millrace
