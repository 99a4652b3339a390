// What the answers of HTTP say.
#include <utility>

#include "cli/views.h"
#include "format/json_value.h"

namespace millrace {
namespace {

Error not_ours() {
  return stop_error("the answer is not one of millrace", "is --url the address of a millrace process?");
}

/// Hands each object of a JSON array to `take`.
template <typename Take>
Status each_of(std::string_view json, const Take& take) {
  const auto all = parse_json_array(json);
  if (!all) return not_ours();
  for (const JsonValue& one : *all) {
    const auto object = parse_json_object(one.raw);
    if (!object) return not_ours();
    take(*object);
  }
  return {};
}

std::uint64_t unsigned_of(const JsonObject& from, std::string_view name) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, from.integer(name, 0)));
}

void read_snapshot(const JsonObject& from, SnapshotProgress& into) {
  const JsonValue* value = from.find("snapshot");
  if (value == nullptr) return;
  const auto snapshot = parse_json_object(value->raw);
  if (!snapshot) return;
  into.active = snapshot->truth("active");
  into.table = snapshot->text("table");
  into.tables_done = unsigned_of(*snapshot, "tables_done");
  into.tables_total = unsigned_of(*snapshot, "tables_total");
  into.rows_done = unsigned_of(*snapshot, "rows_done");
  into.rows_estimated = snapshot->integer("rows_estimated", -1);
}

void read_warnings(const JsonObject& from, std::vector<std::string>& into) {
  const JsonValue* value = from.find("warnings");
  if (value == nullptr) return;
  const auto warnings = parse_json_array(value->raw);
  if (!warnings) return;
  for (const JsonValue& warning : *warnings) {
    if (warning.kind == JsonValue::Kind::kString) into.push_back(warning.text);
  }
}

}  // namespace

Result<std::vector<ConnectorView>> parse_status(std::string_view json) {
  std::vector<ConnectorView> out;
  const auto root = parse_json_object(json);
  const JsonValue* connectors = root ? root->find("connectors") : nullptr;
  if (connectors == nullptr) return not_ours();
  MILLRACE_TRY(each_of(connectors->raw, [&](const JsonObject& one) {
    ConnectorView view;
    view.name = one.text("name");
    view.kind = one.text("kind");
    view.state = one.text("state");
    view.message = one.text("message");
    view.hint = one.text("hint");
    view.position = one.text("position");
    view.lag_bytes = one.integer("lag_bytes", -1);
    view.lag_ms = one.integer("lag_ms", -1);
    view.rows = one.integer("rows", 0);
    view.errors = one.integer("errors", 0);
    view.dead_letters = one.integer("dead_letters", 0);
    read_snapshot(one, view.snapshot);
    read_warnings(one, view.warnings);
    out.push_back(std::move(view));
  }));
  return out;
}

Result<std::vector<TopicView>> parse_topics(std::string_view json) {
  std::vector<TopicView> out;
  MILLRACE_TRY(each_of(json, [&](const JsonObject& one) {
    out.push_back({one.text("topic"), one.integer("first_offset", 0), one.integer("next_offset", 0),
                   one.integer("bytes", 0)});
  }));
  return out;
}

Result<std::vector<DeadLetterView>> parse_dead_letters(std::string_view json) {
  std::vector<DeadLetterView> out;
  MILLRACE_TRY(each_of(json, [&](const JsonObject& one) {
    out.push_back({one.integer("id", 0), one.text("at"), one.text("state"), one.text("topic"),
                   one.text("output"), one.text("target_key"), one.text("error")});
  }));
  return out;
}

Result<std::vector<LetterGroupView>> parse_letter_groups(std::string_view json) {
  std::vector<LetterGroupView> out;
  MILLRACE_TRY(each_of(json, [&](const JsonObject& one) {
    out.push_back({one.integer("count", 0), one.text("first_at"), one.text("last_at"), one.text("topic"),
                   one.text("output"), one.text("error")});
  }));
  return out;
}

Result<LetterOperationView> parse_letter_operation(std::string_view json) {
  const auto one = parse_json_object(json);
  if (!one || one->find("operation") == nullptr) return not_ours();
  LetterOperationView view;
  view.operation = one->integer("operation", 0);
  view.state = one->text("state");
  view.message = one->text("message");
  view.matched = one->integer("matched", 0);
  view.done = one->integer("done", 0);
  view.failed = one->integer("failed", 0);
  view.superseded = one->integer("superseded", 0);
  view.held = one->integer("held", 0);
  view.dropped = one->integer("dropped", 0);
  return view;
}

std::string parse_error_message(std::string_view json) {
  if (const auto root = parse_json_object(json); root && root->find("message") != nullptr) {
    return root->text("message");
  }
  return std::string(json.substr(0, 300));
}

}  // namespace millrace
