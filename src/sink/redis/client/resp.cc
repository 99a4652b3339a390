#include "sink/redis/client/resp.h"

#include <charconv>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kCompactBytes = 64U << 10U;

void append_size(std::string& out, char mark, std::size_t size) {
  char text[24];
  text[0] = mark;
  char* end = std::to_chars(text + 1, text + sizeof(text) - 2, size).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(text, static_cast<std::size_t>(end - text));
}

}  // namespace

void append_header(std::string& out, std::size_t count) { append_size(out, '*', count); }

void append_argument(std::string& out, std::string_view argument) {
  append_size(out, '$', argument.size());
  out.append(argument);
  out.append("\r\n", 2);
}

void append_argument(std::string& out, std::int64_t argument) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof(text), argument).ptr;
  append_argument(out, std::string_view(text, static_cast<std::size_t>(end - text)));
}

void append_command(std::string& out, std::initializer_list<std::string_view> arguments) {
  append_header(out, arguments.size());
  for (const std::string_view argument : arguments) append_argument(out, argument);
}

void append_command(std::string& out, const std::vector<std::string>& arguments) {
  append_header(out, arguments.size());
  for (const std::string& argument : arguments) append_argument(out, argument);
}

std::string_view nth_command(std::string_view commands, std::size_t n) {
  // `*<count>\r\n`, then `$<size>\r\n<text>\r\n` each.
  const auto take_number = [&commands](std::size_t& at) {
    const std::size_t end = commands.find("\r\n", at);
    MILLRACE_CHECK(end != std::string_view::npos);
    const auto number = parse_uint64(commands.substr(at + 1, end - at - 1));
    MILLRACE_CHECK(number.has_value());
    at = end + 2;
    return *number;
  };
  std::size_t at = 0;
  for (;; --n) {
    const std::size_t start = at;
    for (std::uint64_t left = take_number(at); left > 0; --left) {
      const std::uint64_t size = take_number(at);
      at += size + 2;
    }
    if (n == 0) return commands.substr(start, at - start);
  }
}

const Reply* Reply::find(std::string_view name) const {
  for (std::size_t i = 0; i + 1 < elements.size(); i += 2) {
    if (elements[i].text == name) return &elements[i + 1];
  }
  return nullptr;
}

std::string Reply::as_text() const { return kind == Kind::kInteger ? std::to_string(integer) : text; }

std::int64_t Reply::as_integer() const {
  return kind == Kind::kInteger ? integer : parse_int64(text).value_or(0);
}

void ReplyParser::feed(std::string_view bytes) {
  if (at_ == buffer_.size()) {
    buffer_.clear();
    at_ = 0;
  } else if (at_ > kCompactBytes && at_ > buffer_.size() / 2) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  buffer_.append(bytes);
}

bool ReplyParser::line(std::string_view& text) {
  const std::size_t end = buffer_.find("\r\n", at_);
  if (end == std::string::npos) {
    // One more: the last byte may be the first of the line's end.
    if (buffer_.size() - at_ > limits_.line + 1) fault_ = "a line is too long";
    return false;
  }
  text = std::string_view(buffer_).substr(at_, end - at_);
  if (text.size() > limits_.line) fault_ = "a line is too long";
  return true;
}

ReplyParser::Taken ReplyParser::take_bulk(std::string_view head, std::size_t line_end, Reply& value) {
  const auto size = parse_int64(head);
  if (!size || *size < -1) {
    fault_ = "a length is not a number";
    return Taken::kBad;
  }
  if (*size == -1) {
    value.kind = Reply::Kind::kNull;
    at_ = line_end;
    return Taken::kValue;
  }
  const auto wanted = static_cast<std::size_t>(*size);
  if (wanted > limits_.bytes - bytes_) {
    fault_ = "a text is too long";
    return Taken::kBad;
  }
  if (buffer_.size() - line_end < wanted + 2) return Taken::kIncomplete;
  if (buffer_.compare(line_end + wanted, 2, "\r\n") != 0) {
    fault_ = "a text does not end where its length says";
    return Taken::kBad;
  }
  value.kind = Reply::Kind::kBulk;
  value.text.assign(buffer_, line_end, wanted);
  bytes_ += wanted;
  at_ = line_end + wanted + 2;
  return Taken::kValue;
}

ReplyParser::Taken ReplyParser::take_array(std::string_view head, std::size_t line_end, Reply& value) {
  const auto count = parse_int64(head);
  if (!count || *count < -1) {
    fault_ = "a count is not a number";
    return Taken::kBad;
  }
  at_ = line_end;
  value.kind = *count < 0 ? Reply::Kind::kNull : Reply::Kind::kArray;
  if (*count <= 0) return Taken::kValue;
  const auto wanted = static_cast<std::size_t>(*count);
  if (open_.size() >= limits_.depth || wanted > limits_.elements - elements_) {
    fault_ = "a reply is too deep or has too many elements";
    return Taken::kBad;
  }
  elements_ += wanted;
  open_.push_back({std::move(value), wanted});
  return Taken::kOpened;
}

ReplyParser::Taken ReplyParser::take(Reply& value) {
  std::string_view text;
  if (!line(text)) return *fault_ != '\0' ? Taken::kBad : Taken::kIncomplete;
  if (*fault_ != '\0') return Taken::kBad;
  const std::size_t line_end = at_ + text.size() + 2;
  if (text.empty()) {
    fault_ = "an empty line";
    return Taken::kBad;
  }
  const char mark = text.front();
  text.remove_prefix(1);
  switch (mark) {
    case '+':
    case '-':
      value.kind = mark == '+' ? Reply::Kind::kSimple : Reply::Kind::kError;
      value.text.assign(text);
      break;
    case ':': {
      const auto number = parse_int64(text);
      if (!number) {
        fault_ = "an integer is not a number";
        return Taken::kBad;
      }
      value.kind = Reply::Kind::kInteger;
      value.integer = *number;
      break;
    }
    case '$':
      return take_bulk(text, line_end, value);
    case '*':
      return take_array(text, line_end, value);
    default:
      fault_ = "a reply of an unknown kind";
      return Taken::kBad;
  }
  at_ = line_end;
  return Taken::kValue;
}

bool ReplyParser::close_arrays(Reply& value) {
  while (!open_.empty()) {
    Open& top = open_.back();
    top.array.elements.push_back(std::move(value));
    if (--top.missing > 0) return false;
    value = std::move(top.array);
    open_.pop_back();
  }
  return true;
}

Result<bool> ReplyParser::next(Reply& reply) {
  for (;;) {
    Reply value;
    switch (take(value)) {
      case Taken::kIncomplete:
        return false;
      case Taken::kOpened:
        continue;
      case Taken::kBad:
        return reconnect_error(
            std::string("Redis sent something that is not its protocol: ") + fault_,
            "check that redis.uri names a Redis server, and rediss:// one that speaks TLS");
      case Taken::kValue:
        break;
    }
    if (!close_arrays(value)) continue;
    reply = std::move(value);
    elements_ = bytes_ = 0;
    return true;
  }
}

}  // namespace millrace::redis
