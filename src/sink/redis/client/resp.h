#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::redis {

/// Redis serialization protocol, version 2 (https://redis.io/docs/latest/develop/reference/protocol-spec).
/// Pure.

/// Starts a command of `count` arguments; exactly that many `append_argument` must follow.
void append_header(std::string& out, std::size_t count);
void append_argument(std::string& out, std::string_view argument);
void append_argument(std::string& out, std::int64_t argument);
void append_command(std::string& out, std::initializer_list<std::string_view> arguments);
void append_command(std::string& out, const std::vector<std::string>& arguments);

/// Command `n` of several written behind each other as above; there must be so many.
[[nodiscard]] std::string_view nth_command(std::string_view commands, std::size_t n);

struct Reply {
  enum class Kind : std::uint8_t { kSimple, kError, kInteger, kBulk, kNull, kArray };
  Kind kind = Kind::kNull;
  std::int64_t integer = 0;
  std::string text;             ///< of a simple string, an error or a bulk string
  std::vector<Reply> elements;  ///< of an array

  [[nodiscard]] bool is_error() const { return kind == Kind::kError; }
  [[nodiscard]] bool is_array() const { return kind == Kind::kArray; }
  /// Element behind the one whose text is `name`, in an array of names and values; null when there is none.
  [[nodiscard]] const Reply* find(std::string_view name) const;
  /// Text, or the integer as text.
  [[nodiscard]] std::string as_text() const;
  /// The integer, or the number in the text; 0 when there is none.
  [[nodiscard]] std::int64_t as_integer() const;
};

struct ReplyLimits {
  std::size_t depth = 16;
  std::size_t elements = 4U << 20U;  ///< of all arrays of one reply together
  std::size_t bytes = 256U << 20U;   ///< of all texts of one reply together
  std::size_t line = 64U << 10U;     ///< of a simple string or error
};

/// Parses replies from a byte stream that comes in pieces. Keeps what is not yet a whole reply; nothing is
/// read twice. Memory grows with what has arrived, never with what a length promises.
class ReplyParser {
 public:
  explicit ReplyParser(ReplyLimits limits = {}) : limits_(limits) {}

  void feed(std::string_view bytes);
  /// True: `reply` is the next whole reply. False: more bytes are needed. A reconnect error when the stream
  /// is not RESP or passes a limit; the parser is of no use after that.
  [[nodiscard]] Result<bool> next(Reply& reply);
  [[nodiscard]] std::size_t buffered() const { return buffer_.size() - at_; }

 private:
  struct Open {
    Reply array;
    std::size_t missing = 0;
  };
  enum class Taken : std::uint8_t { kValue, kOpened, kIncomplete, kBad };
  Taken take(Reply& value);
  bool line(std::string_view& text);
  Taken take_bulk(std::string_view head, std::size_t line_end, Reply& value);
  Taken take_array(std::string_view head, std::size_t line_end, Reply& value);
  /// Puts `value` into the arrays that are open. True: it was, or completed, the outermost one and holds it.
  bool close_arrays(Reply& value);

  ReplyLimits limits_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::vector<Open> open_;
  std::size_t elements_ = 0;
  std::size_t bytes_ = 0;
  const char* fault_ = "";
};

}  // namespace millrace::redis
