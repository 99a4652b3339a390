#include "cli/verify_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "connect/fault.h"
#include "control/json_builder.h"

namespace millrace {
namespace {

constexpr std::size_t kMaxShown = 200;

std::string_view kind_name(const Difference& one) {
  if (one.moving) return "unsettled";
  switch (one.kind) {
    case EntryState::Kind::kMissing:
      return "missing";
    case EntryState::Kind::kDifferent:
      return "different";
    case EntryState::Kind::kExtra:
      return "extra";
    case EntryState::Kind::kUnwritable:
      break;
  }
  return "unwritable";
}

std::string table_line(const std::string& sink, const TableReport& table) {
  const std::string head = sink + "  " + table.table + ": ";
  if (!table.skipped.empty()) return head + "not compared: " + table.skipped + "\n";
  if (!table.error.empty()) return head + "could not be compared: " + table.error + "\n";
  std::string out = fmt::format("{}{} rows, {}", head, table.rows, table.in_step() ? "in step" : "");
  if (!table.in_step()) {
    out += fmt::format("{} missing, {} different, {} extra", table.missing, table.different, table.extra);
    if (table.unwritable > 0) out += fmt::format(", {} that cannot be written", table.unwritable);
    if (table.unsettled > 0) out += fmt::format(", {} that did not hold still", table.unsettled);
  }
  if (table.repaired > 0) out += fmt::format(", {} repaired", table.repaired);
  return out + fmt::format("; {} looked at again, {:.1f} s\n", table.looked_again, table.seconds);
}

std::string difference_line(const Difference& one) {
  std::string row;
  for (const auto& [column, value] : one.row)
    row += (row.empty() ? "" : ", ") + column + "=" + printable(value, kMaxShown);
  std::string out = fmt::format("  {:<11}", kind_name(one));
  if (!one.output.empty()) out += one.output + "  ";
  out += printable(one.place, kMaxShown) + "  row " + row;
  if (!one.fields.empty()) out += "  in " + fmt::format("{}", fmt::join(one.fields, ", "));
  if (!one.reason.empty()) out += ": " + printable(one.reason, kMaxShown * 4);
  return out + "\n";
}

void add_difference(JsonBuilder& json, const Difference& one) {
  json.begin_object();
  json.key("kind").text(kind_name(one));
  json.key("output").text(one.output);
  json.key("key").text(one.place);
  json.key("row").begin_object();
  for (const auto& [column, value] : one.row) json.key(column).text(value);
  json.end_object();
  json.key("fields").begin_array();
  for (const std::string& field : one.fields) json.text(field);
  json.end_array();
  json.key("reason").text(one.reason);
  json.end_object();
}

void add_table(JsonBuilder& json, const TableReport& table) {
  json.begin_object();
  json.key("topic").text(table.topic);
  json.key("table").text(table.table);
  json.key("skipped").text(table.skipped);
  json.key("error").text(table.error);
  json.key("in_step").boolean(table.in_step());
  json.key("rows").unsigned_integer(table.rows);
  json.key("looked_again").unsigned_integer(table.looked_again);
  json.key("missing").unsigned_integer(table.missing);
  json.key("different").unsigned_integer(table.different);
  json.key("extra").unsigned_integer(table.extra);
  json.key("unwritable").unsigned_integer(table.unwritable);
  json.key("unsettled").unsigned_integer(table.unsettled);
  json.key("repaired").unsigned_integer(table.repaired);
  json.key("milliseconds").integer(static_cast<std::int64_t>(table.seconds * 1000));
  json.key("limits").begin_array();
  for (const std::string& limit : table.limits) json.text(limit);
  json.end_array();
  json.key("differences").begin_array();
  for (const Difference& one : table.differences) add_difference(json, one);
  json.end_array().end_object();
}

}  // namespace

bool in_step(const SinkReport& sink) {
  return std::ranges::all_of(sink.tables,
                             [](const TableReport& one) { return !one.skipped.empty() || one.in_step(); });
}

bool in_step(const std::vector<SinkReport>& reports) {
  return std::ranges::all_of(reports, [](const SinkReport& sink) { return in_step(sink); });
}

bool compared_all(const std::vector<SinkReport>& reports) {
  return std::ranges::all_of(reports, [](const SinkReport& sink) {
    return std::ranges::all_of(sink.tables, [](const TableReport& one) { return one.error.empty(); });
  });
}

bool compared_any(const std::vector<SinkReport>& reports) {
  return std::ranges::any_of(reports, [](const SinkReport& sink) {
    return std::ranges::any_of(sink.tables, [](const TableReport& one) { return one.skipped.empty(); });
  });
}

std::string verify_text(const std::vector<SinkReport>& reports) {
  std::string out;
  for (const SinkReport& sink : reports) {
    for (const TableReport& table : sink.tables) {
      out += table_line(sink.sink, table);
      for (const std::string& limit : table.limits) out += "  note: " + limit + "\n";
      for (const Difference& one : table.differences) out += difference_line(one);
      const std::uint64_t all =
          table.missing + table.different + table.extra + table.unwritable + table.unsettled;
      if (all > table.differences.size())
        out += fmt::format("  and {} more; see --max-differences\n", all - table.differences.size());
    }
    if (sink.removed > 0)
      out += fmt::format("{}  {} entries of earlier settings removed\n", sink.sink, sink.removed);
    for (const std::string& one : sink.left) out += sink.sink + "  note: " + one + "\n";
  }
  return out;
}

std::string verify_json(const std::vector<SinkReport>& reports) {
  JsonBuilder json;
  json.begin_object().key("in_step").boolean(in_step(reports) && compared_any(reports));
  json.key("sinks").begin_array();
  for (const SinkReport& sink : reports) {
    json.begin_object().key("sink").text(sink.sink).key("tables").begin_array();
    for (const TableReport& table : sink.tables) add_table(json, table);
    json.end_array().key("removed").unsigned_integer(sink.removed).key("left").begin_array();
    for (const std::string& one : sink.left) json.text(one);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

}  // namespace millrace
