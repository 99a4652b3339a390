#include "control/json_builder.h"

#include "format/json_writer.h"

namespace millrace {

void JsonBuilder::separate() {
  if (needs_comma_) out_ += ',';
  needs_comma_ = true;
}

JsonBuilder& JsonBuilder::open(char bracket) {
  separate();
  out_ += bracket;
  needs_comma_ = false;
  return *this;
}

JsonBuilder& JsonBuilder::close(char bracket) {
  out_ += bracket;
  needs_comma_ = true;
  return *this;
}

JsonBuilder& JsonBuilder::key(std::string_view name) {
  separate();
  append_json_name(out_, name);
  out_ += ':';
  needs_comma_ = false;
  return *this;
}

JsonBuilder& JsonBuilder::text(std::string_view value) {
  separate();
  append_json_name(out_, value);
  return *this;
}

JsonBuilder& JsonBuilder::integer(std::int64_t value) {
  separate();
  append_json_int(out_, value);
  return *this;
}

JsonBuilder& JsonBuilder::unsigned_integer(std::uint64_t value) {
  separate();
  append_json_uint(out_, value);
  return *this;
}

JsonBuilder& JsonBuilder::json(std::string_view value) {
  separate();
  out_ += value;
  return *this;
}

JsonBuilder& JsonBuilder::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

}  // namespace millrace
