#include "sink/redis/client/resp.h"

#include <gtest/gtest.h>

namespace millrace::redis {
namespace {

/// All replies of `bytes` fed in pieces of `piece` bytes, as text; "!" at the end for a broken stream.
std::string replies(std::string_view bytes, std::size_t piece, ReplyLimits limits = {}) {
  const auto text = [](const auto& self, const Reply& reply) -> std::string {
    switch (reply.kind) {
      case Reply::Kind::kSimple:
        return "+" + reply.text;
      case Reply::Kind::kError:
        return "-" + reply.text;
      case Reply::Kind::kInteger:
        return ":" + std::to_string(reply.integer);
      case Reply::Kind::kBulk:
        return "$" + reply.text;
      case Reply::Kind::kNull:
        return "null";
      case Reply::Kind::kArray:
        break;
    }
    std::string out = "[";
    for (const Reply& element : reply.elements) out += self(self, element) + " ";
    return out + "]";
  };
  ReplyParser parser(limits);
  std::string out;
  while (!bytes.empty()) {
    parser.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      Reply reply;
      auto found = parser.next(reply);
      if (!found) return out + "!";
      if (!*found) break;
      out += text(text, reply) + "|";
    }
  }
  return out;
}

TEST(Resp, EveryKindInPiecesOfAnySize) {
  const std::string bytes =
      "+OK\r\n-ERR "
      "no\r\n:-42\r\n$5\r\na\r\nbc\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n*3\r\n:1\r\n*2\r\n+a\r\n*0\r\n$"
      "1\r\nx\r\n+end\r\n";
  const std::string wanted = "+OK|-ERR no|:-42|$a\r\nbc|null|null|[]|$|[:1 [+a [] ] $x ]|+end|";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece)
    ASSERT_EQ(replies(bytes, piece), wanted) << piece;
}

TEST(Resp, BrokenStreamsAreErrors) {
  for (const char* bytes : {"x\r\n", "\r\n", ":1x\r\n", "$x\r\n", "$-2\r\n", "$3\r\nabcd\r\n", "*-2\r\n",
                            "*1\r\n?\r\n", "$99999999999999999999\r\n", "HTTP/1.1 400 Bad Request\r\n"}) {
    EXPECT_EQ(replies(bytes, 100), "!") << bytes;
  }
}

TEST(Resp, ALineOfTheLimitsLengthMayEndInThePieceThatFollows) {
  ReplyParser parser({.line = 4});
  Reply reply;
  parser.feed("+abc\r");
  EXPECT_EQ(parser.next(reply).value(), false);
  parser.feed("\n");
  EXPECT_EQ(parser.next(reply).value(), true);
  EXPECT_EQ(reply.text, "abc");
  parser.feed("+abcd\r");
  EXPECT_FALSE(parser.next(reply));
}

TEST(Resp, LimitsHoldBeforeAnythingIsKept) {
  ReplyLimits limits;
  limits.depth = 2;
  EXPECT_EQ(replies("*1\r\n*1\r\n:1\r\n", 100, limits), "[[:1 ] ]|");
  EXPECT_EQ(replies("*1\r\n*1\r\n*1\r\n:1\r\n", 100, limits), "!");
  limits.bytes = 4;
  EXPECT_EQ(replies("*2\r\n$2\r\nab\r\n$2\r\ncd\r\n$4\r\nabcd\r\n", 100, limits), "[$ab $cd ]|$abcd|");
  EXPECT_EQ(replies("*2\r\n$2\r\nab\r\n$3\r\n", 100, limits), "!");
  limits.elements = 3;
  EXPECT_EQ(replies("*4\r\n", 100, limits), "!");
  EXPECT_EQ(replies("*2\r\n:1\r\n*2\r\n", 100, limits), "!");
  limits.line = 8;
  EXPECT_EQ(replies("+123456789", 3, limits), "!");
}

TEST(Resp, CommandsAreLengthPrefixed) {
  std::string out;
  append_command(out, {"SET", "k\r\n", std::string_view("\0", 1)});
  append_header(out, 1);
  append_argument(out, std::int64_t{-7});
  EXPECT_EQ(out, std::string("*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$1\r\n\0\r\n*1\r\n$2\r\n-7\r\n", 41));
}

TEST(Resp, OneOfSeveralCommands) {
  std::string out;
  append_command(out, {"SET", "a", "1\r\n$3"});
  append_command(out, {"PING"});
  append_command(out, {"SET", "", ""});
  std::string first;
  append_command(first, {"SET", "a", "1\r\n$3"});
  std::string last;
  append_command(last, {"SET", "", ""});
  EXPECT_EQ(nth_command(out, 0), first);
  EXPECT_EQ(nth_command(out, 1), "*1\r\n$4\r\nPING\r\n");
  EXPECT_EQ(nth_command(out, 2), last);
}

}  // namespace
}  // namespace millrace::redis
