#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace {

/// A JSON value as it was written. What lies in an object or array is parsed when it is asked for.
struct JsonValue {
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  std::string raw;   ///< its text, without spaces around it
  std::string text;  ///< of a string: what it says
};

/// The members of a JSON object in order, by name.
class JsonObject {
 public:
  explicit JsonObject(std::vector<std::pair<std::string, JsonValue>> members)
      : members_(std::move(members)) {}

  [[nodiscard]] const std::vector<std::pair<std::string, JsonValue>>& members() const { return members_; }
  /// Null: there is none.
  [[nodiscard]] const JsonValue* find(std::string_view name) const;
  /// Of a member of that kind; else empty, `otherwise`, false.
  [[nodiscard]] std::string text(std::string_view name) const;
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  [[nodiscard]] bool truth(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, JsonValue>> members_;
};

/// Takes one JSON text apart (RFC 8259, UTF-8, all of it checked). A stop error that quotes nothing when it
/// is something else.
[[nodiscard]] Result<JsonObject> parse_json_object(std::string_view json);
[[nodiscard]] Result<std::vector<JsonValue>> parse_json_array(std::string_view json);

}  // namespace millrace
