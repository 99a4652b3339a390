#include "control/letters_json.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "control/json_builder.h"
#include "format/change_json.h"
#include "format/json_value.h"
#include "format/json_writer.h"
#include "format/row_json.h"
#include "format/time_text.h"

namespace millrace {
namespace {

constexpr std::size_t kMaxBy = 64;

std::string time_text(std::int64_t wall_us) {
  std::string out;
  append_timestamp(out, wall_us, "Z", 3);
  return out;
}

void add_place(JsonBuilder& json, const DeadLetter& letter) {
  json.key("commit").text(letter.commit);
  json.key("index").unsigned_integer(letter.index);
  json.key("stream").unsigned_integer(letter.rejected.stream);
  json.key("sequence").unsigned_integer(letter.rejected.sequence);
  json.key("row").unsigned_integer(letter.rejected.row);
}

/// Without the brackets around it.
void add_letter(JsonBuilder& json, const DeadLetter& letter) {
  json.key("id").unsigned_integer(letter.id);
  json.key("at").text(time_text(letter.at_us));
  json.key("topic").text(letter.rejected.topic);
  json.key("output").text(letter.rejected.output);
  json.key("target_key").text(letter.rejected.target_key);
  json.key("error").text(letter.rejected.error);
  add_place(json, letter);
  json.key("state").text(letter_state_name(letter.state));
  json.key("changed_at").text(time_text(letter.changed_us));
  json.key("row_kept").text(letter_row_name(letter.row));
  json.key("sent_again").unsigned_integer(letter.sent_again);
}

void add_cells(JsonBuilder& json, const Batch& batch, const Row& row, std::span<const Cell> cells) {
  const TableSchema& schema = batch.schema(row);
  if (cells.empty() || cells.size() != schema.columns.size()) {
    json.null();
    return;
  }
  json.begin_object();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (is_missing(cells[i])) continue;
    json.key(schema.columns[i].name);
    std::string value;
    if (!append_json_cell(value, batch, cells[i], {})) {
      value = R"({"base64":")";
      if (storage_of(cells[i].type) == CellStorage::kBytes) append_base64(value, batch.bytes(cells[i]));
      value += "\"}";
    }
    json.json(value);
  }
  json.end_object();
}

void add_change(JsonBuilder& json, const LetterImage& image) {
  json.key("change");
  if (image.batch == nullptr) {
    json.null();
    return;
  }
  const Row row = image.batch->row(image.row);
  json.begin_object();
  json.key("op").text(op_code(row.op));
  json.key("before");
  add_cells(json, *image.batch, row, row.before);
  json.key("after");
  add_cells(json, *image.batch, row, row.after);
  json.end_object();
}

void add_history(JsonBuilder& json, const DeadLetter& letter) {
  json.key("history").begin_array();
  for (const LetterEvent& event : letter.history) {
    json.begin_object();
    json.key("at").text(time_text(event.at_us));
    json.key("what").text(letter_event_name(event.what));
    json.key("state").text(letter_state_name(event.state));
    json.key("by").text(event.by);
    json.key("note").text(event.note);
    json.key("edited").text(event.edited);
    json.end_object();
  }
  json.end_array();
}

Status take_ids(const JsonValue& value, std::vector<std::uint64_t>& ids) {
  const auto all = parse_json_array(value.raw);
  if (!all || all->empty()) return stop_error("ids: expected an array of numbers");
  for (const JsonValue& one : *all) {
    const auto id = parse_uint64(one.raw);
    if (!id) return stop_error("ids: expected an array of numbers");
    ids.push_back(*id);
  }
  std::ranges::sort(ids);
  const auto twice = std::ranges::unique(ids);
  ids.erase(twice.begin(), twice.end());
  return {};
}

Status take_text(const std::string& name, const JsonValue& value, std::string& text) {
  if (value.kind != JsonValue::Kind::kString || value.text.empty())
    return stop_error(name + ": expected a string");
  text = value.text;
  return {};
}

Status take_truth(const std::string& name, const JsonValue& value, bool& truth) {
  if (value.kind != JsonValue::Kind::kBool) return stop_error(name + ": expected true or false");
  truth = value.raw == "true";
  return {};
}

}  // namespace

std::string dead_letters_json(const std::vector<DeadLetter>& letters) {
  JsonBuilder json;
  json.begin_array();
  for (const DeadLetter& one : letters) {
    json.begin_object();
    add_letter(json, one);
    json.end_object();
  }
  json.end_array();
  return json.take();
}

std::string dead_letter_json(const DeadLetter& letter, const LetterImage& image) {
  JsonBuilder json;
  json.begin_object();
  add_letter(json, letter);
  add_change(json, image);
  add_history(json, letter);
  json.end_object();
  return json.take();
}

std::string letter_groups_json(const std::vector<LetterGroup>& groups) {
  JsonBuilder json;
  json.begin_array();
  for (const LetterGroup& one : groups) {
    json.begin_object();
    json.key("count").unsigned_integer(one.count);
    json.key("topic").text(one.topic);
    json.key("output").text(one.output);
    json.key("error").text(one.error);
    json.key("first_at").text(time_text(one.first_us));
    json.key("last_at").text(time_text(one.last_us));
    for (const auto& [name, letter] : {std::pair("first", &one.first), std::pair("last", &one.last)}) {
      json.key(name).begin_object();
      json.key("id").unsigned_integer(letter->id);
      add_place(json, *letter);
      json.end_object();
    }
    json.end_object();
  }
  json.end_array();
  return json.take();
}

std::string operation_json(const LetterOperation& operation) {
  JsonBuilder json;
  json.begin_object();
  json.key("operation").unsigned_integer(operation.id);
  json.key("action").text(letter_action_name(operation.action));
  json.key("state").text(operation_state_name(operation.state));
  json.key("message").text(operation.message);
  json.key("asked_at").text(time_text(operation.asked_us));
  json.key("ended_at").text(operation.ended_us == 0 ? std::string() : time_text(operation.ended_us));
  json.key("matched").unsigned_integer(operation.matched);
  json.key("done").unsigned_integer(operation.done);
  json.key("failed").unsigned_integer(operation.failed);
  json.key("superseded").unsigned_integer(operation.superseded);
  json.key("held").unsigned_integer(operation.held);
  json.key("dropped").unsigned_integer(operation.dropped);
  json.end_object();
  return json.take();
}

Result<LetterRequest> parse_letter_request(std::string_view body, std::string& edit) {
  const auto root = parse_json_object(body);
  if (!root) return stop_error("the body: " + root.error().message);
  LetterRequest request;
  request.by = "http";
  bool all = false;
  for (const auto& [name, value] : root->members()) {
    Status taken;
    if (name == "ids") {
      taken = take_ids(value, request.which.ids);
    } else if (name == "error") {
      taken = take_text(name, value, request.which.error);
    } else if (name == "topic") {
      taken = take_text(name, value, request.which.topic);
    } else if (name == "output") {
      taken = take_text(name, value, request.which.output);
    } else if (name == "all") {
      taken = take_truth(name, value, all);
    } else if (name == "force") {
      taken = take_truth(name, value, request.force);
    } else if (name == "by") {
      taken = take_text(name, value, request.by);
    } else if (name == "edit" && value.kind == JsonValue::Kind::kObject) {
      edit = value.raw;
    } else {
      taken =
          stop_error(name == "edit" ? "edit: expected an object" : "the body has an unknown member " + name,
                     "ids, error, topic, output, all, force, edit and by are known");
    }
    if (!taken) return std::move(taken).error();
  }
  request.by.resize(std::min(request.by.size(), kMaxBy));
  const LetterFilter& which = request.which;
  if (!all && which.ids.empty() && which.error.empty() && which.topic.empty() && which.output.empty()) {
    return stop_error("it is not said which dead letters",
                      "give ids, error, topic or output, or \"all\":true");
  }
  if (!edit.empty() && which.ids.size() != 1)
    return stop_error("edit: one letter can be edited at a time", "give its number in ids");
  return request;
}

}  // namespace millrace
