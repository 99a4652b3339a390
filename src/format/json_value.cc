// The one file that knows simdjson.
#include "format/json_value.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "format/json_writer.h"

namespace millrace {
namespace {

namespace ondemand = simdjson::ondemand;

Error no_json(const char* wanted) { return stop_error(std::string("expected ") + wanted); }

std::string trimmed(std::string_view text) {
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  return std::string(text.substr(0, end == std::string_view::npos ? 0 : end + 1));
}

bool is_sound(ondemand::value value);

bool is_sound(ondemand::array array) {
  for (auto found : array) {
    ondemand::value element;
    if (std::move(found).get(element) != simdjson::SUCCESS || !is_sound(element)) return false;
  }
  return true;
}

bool is_sound(ondemand::object object) {
  for (auto found : object) {
    ondemand::field field;
    std::string_view name;
    if (std::move(found).get(field) != simdjson::SUCCESS ||
        field.unescaped_key().get(name) != simdjson::SUCCESS || !is_sound(field.value()))
      return false;
  }
  return true;
}

/// Numbers may be of any size: whoever takes one looks whether it fits.
bool is_sound(ondemand::value value) {
  ondemand::json_type type{};
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  ondemand::array array;
  ondemand::object object;
  std::string_view text;
  switch (type) {
    case ondemand::json_type::array:
      return value.get_array().get(array) == simdjson::SUCCESS && is_sound(array);
    case ondemand::json_type::object:
      return value.get_object().get(object) == simdjson::SUCCESS && is_sound(object);
    case ondemand::json_type::string:
      return value.get_string().get(text) == simdjson::SUCCESS;
    case ondemand::json_type::number:
      return is_json_number(trimmed(value.raw_json_token()));
    default:
      break;
  }
  const std::string word = trimmed(value.raw_json_token());
  return word == "true" || word == "false" || word == "null";
}

/// Only what has been checked as a whole, to its end, is read piece by piece.
bool is_json(const simdjson::padded_string& json) {
  ondemand::parser parser;
  ondemand::document document;
  ondemand::value root;
  return parser.iterate(json).get(document) == simdjson::SUCCESS &&
         document.get_value().get(root) == simdjson::SUCCESS && is_sound(root) &&
         document.current_location().error() == simdjson::OUT_OF_BOUNDS;  // nothing is left
}

bool take_nested(ondemand::value& from, bool is_array, std::string_view& raw) {
  if (is_array) {
    ondemand::array array;
    return from.get_array().get(array) == simdjson::SUCCESS && array.raw_json().get(raw) == simdjson::SUCCESS;
  }
  ondemand::object object;
  return from.get_object().get(object) == simdjson::SUCCESS &&
         object.raw_json().get(raw) == simdjson::SUCCESS;
}

bool take(ondemand::value from, JsonValue& to) {
  ondemand::json_type type{};
  if (from.type().get(type) != simdjson::SUCCESS) return false;
  std::string_view raw;
  std::string_view text;
  switch (type) {
    case ondemand::json_type::array:
    case ondemand::json_type::object: {
      const bool is_array = type == ondemand::json_type::array;
      to.kind = is_array ? JsonValue::Kind::kArray : JsonValue::Kind::kObject;
      if (!take_nested(from, is_array, raw)) return false;
      to.raw = trimmed(raw);
      return true;
    }
    case ondemand::json_type::string:
      to.kind = JsonValue::Kind::kString;
      to.raw = trimmed(from.raw_json_token());
      if (from.get_string().get(text) != simdjson::SUCCESS) return false;
      to.text = text;
      return true;
    case ondemand::json_type::number:
      to.kind = JsonValue::Kind::kNumber;
      break;
    case ondemand::json_type::boolean:
      to.kind = JsonValue::Kind::kBool;
      break;
    case ondemand::json_type::null:
      to.kind = JsonValue::Kind::kNull;
      break;
  }
  to.raw = trimmed(from.raw_json_token());
  return true;
}

}  // namespace

const JsonValue* JsonObject::find(std::string_view name) const {
  const auto at = std::ranges::find_if(members_, [name](const auto& one) { return one.first == name; });
  return at == members_.end() ? nullptr : &at->second;
}

std::string JsonObject::text(std::string_view name) const {
  const JsonValue* value = find(name);
  return value != nullptr && value->kind == JsonValue::Kind::kString ? value->text : std::string();
}

std::int64_t JsonObject::integer(std::string_view name, std::int64_t otherwise) const {
  const JsonValue* value = find(name);
  if (value == nullptr || value->kind != JsonValue::Kind::kNumber) return otherwise;
  return parse_int64(value->raw).value_or(otherwise);
}

bool JsonObject::truth(std::string_view name) const {
  const JsonValue* value = find(name);
  return value != nullptr && value->kind == JsonValue::Kind::kBool && value->raw == "true";
}

Result<JsonObject> parse_json_object(std::string_view json) {
  constexpr const char* kWanted = "a JSON object";
  const simdjson::padded_string text(json);
  if (!is_json(text)) return no_json(kWanted);
  ondemand::parser parser;
  ondemand::document document;
  ondemand::object object;
  if (parser.iterate(text).get(document) != simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS)
    return no_json(kWanted);
  std::vector<std::pair<std::string, JsonValue>> members;
  for (auto found : object) {
    ondemand::field field;
    std::string_view name;
    if (std::move(found).get(field) != simdjson::SUCCESS ||
        field.unescaped_key().get(name) != simdjson::SUCCESS)
      return no_json(kWanted);
    members.emplace_back(name, JsonValue());
    if (!take(field.value(), members.back().second)) return no_json(kWanted);
  }
  return JsonObject(std::move(members));
}

Result<std::vector<JsonValue>> parse_json_array(std::string_view json) {
  constexpr const char* kWanted = "a JSON array";
  const simdjson::padded_string text(json);
  if (!is_json(text)) return no_json(kWanted);
  ondemand::parser parser;
  ondemand::document document;
  ondemand::array array;
  if (parser.iterate(text).get(document) != simdjson::SUCCESS ||
      document.get_array().get(array) != simdjson::SUCCESS)
    return no_json(kWanted);
  std::vector<JsonValue> out;
  for (auto found : array) {
    ondemand::value value;
    if (std::move(found).get(value) != simdjson::SUCCESS || !take(value, out.emplace_back()))
      return no_json(kWanted);
  }
  return out;
}

}  // namespace millrace
