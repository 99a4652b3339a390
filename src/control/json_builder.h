#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

/// Writes one JSON text front to back and puts the commas in. Text that is not UTF-8 is mended, never
/// refused. Calls must come in an order that makes JSON; nothing checks it.
class JsonBuilder {
 public:
  JsonBuilder& begin_object() { return open('{'); }
  JsonBuilder& end_object() { return close('}'); }
  JsonBuilder& begin_array() { return open('['); }
  JsonBuilder& end_array() { return close(']'); }
  JsonBuilder& key(std::string_view name);
  JsonBuilder& text(std::string_view value);
  JsonBuilder& integer(std::int64_t value);
  JsonBuilder& unsigned_integer(std::uint64_t value);
  JsonBuilder& boolean(bool value);
  JsonBuilder& null() { return json("null"); }
  /// What is JSON already.
  JsonBuilder& json(std::string_view value);

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  JsonBuilder& open(char bracket);
  JsonBuilder& close(char bracket);
  void separate();

  std::string out_;
  bool needs_comma_ = false;
};

}  // namespace millrace
