// The one file here that knows simdjson.
#include <simdjson.h>

#include <utility>

#include "cli/views.h"

namespace millrace {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

std::string text_of(const element& from, std::string_view name) {
  std::string_view value;
  return from[name].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
}

std::int64_t integer_of(const element& from, std::string_view name, std::int64_t otherwise) {
  std::int64_t value = 0;
  return from[name].get(value) == simdjson::SUCCESS ? value : otherwise;
}

std::uint64_t unsigned_of(const element& from, std::string_view name) {
  std::uint64_t value = 0;
  return from[name].get(value) == simdjson::SUCCESS ? value : 0;
}

Error not_ours() {
  return stop_error("the answer is not one of millrace", "is --url the address of a millrace process?");
}

/// Hands each member of the array at `pointer` (empty: the document itself) to `take`.
template <typename Take>
Status each_of(std::string_view json, std::string_view member, const Take& take) {
  simdjson::dom::parser parser;
  element root;
  if (parser.parse(json.data(), json.size(), true).get(root) != simdjson::SUCCESS) return not_ours();
  array all;
  const auto error = member.empty() ? root.get(all) : root[member].get(all);
  if (error != simdjson::SUCCESS) return not_ours();
  for (const element one : all) {
    if (!one.is_object()) return not_ours();
    take(one);
  }
  return {};
}

void read_snapshot(const element& from, SnapshotProgress& into) {
  element snapshot;
  if (from["snapshot"].get(snapshot) != simdjson::SUCCESS) return;
  bool active = false;
  into.active = snapshot["active"].get(active) == simdjson::SUCCESS && active;
  into.table = text_of(snapshot, "table");
  into.tables_done = unsigned_of(snapshot, "tables_done");
  into.tables_total = unsigned_of(snapshot, "tables_total");
  into.rows_done = unsigned_of(snapshot, "rows_done");
  into.rows_estimated = integer_of(snapshot, "rows_estimated", -1);
}

}  // namespace

Result<std::vector<ConnectorView>> parse_status(std::string_view json) {
  std::vector<ConnectorView> out;
  MILLRACE_TRY(each_of(json, "connectors", [&](const element& one) {
    ConnectorView view;
    view.name = text_of(one, "name");
    view.kind = text_of(one, "kind");
    view.state = text_of(one, "state");
    view.message = text_of(one, "message");
    view.hint = text_of(one, "hint");
    view.position = text_of(one, "position");
    view.lag_bytes = integer_of(one, "lag_bytes", -1);
    view.lag_ms = integer_of(one, "lag_ms", -1);
    view.rows = integer_of(one, "rows", 0);
    view.errors = integer_of(one, "errors", 0);
    view.dead_letters = integer_of(one, "dead_letters", 0);
    read_snapshot(one, view.snapshot);
    array warnings;
    if (one["warnings"].get(warnings) == simdjson::SUCCESS) {
      for (const element warning : warnings) {
        std::string_view text;
        if (warning.get(text) == simdjson::SUCCESS) view.warnings.emplace_back(text);
      }
    }
    out.push_back(std::move(view));
  }));
  return out;
}

Result<std::vector<TopicView>> parse_topics(std::string_view json) {
  std::vector<TopicView> out;
  MILLRACE_TRY(each_of(json, "", [&](const element& one) {
    out.push_back({text_of(one, "topic"), integer_of(one, "first_offset", 0),
                   integer_of(one, "next_offset", 0), integer_of(one, "bytes", 0)});
  }));
  return out;
}

Result<std::vector<DeadLetterView>> parse_dead_letters(std::string_view json) {
  std::vector<DeadLetterView> out;
  MILLRACE_TRY(each_of(json, "", [&](const element& one) {
    out.push_back({integer_of(one, "id", 0), text_of(one, "at"), text_of(one, "topic"),
                   text_of(one, "target_key"), text_of(one, "error")});
  }));
  return out;
}

std::string parse_error_message(std::string_view json) {
  simdjson::dom::parser parser;
  element root;
  std::string_view message;
  if (parser.parse(json.data(), json.size(), true).get(root) == simdjson::SUCCESS &&
      root["message"].get(message) == simdjson::SUCCESS) {
    return std::string(message);
  }
  return std::string(json.substr(0, 300));
}

}  // namespace millrace
