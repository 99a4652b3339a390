#include "format/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace millrace {
namespace {

std::string json_quoted(std::string_view text) {
  std::string out;
  EXPECT_TRUE(append_json_string(out, text));
  return out;
}

/// Byte by byte, as RFC 8259 has it: the second opinion on the vector code.
std::string plain_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    char code[8];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      const std::string_view known = "\b\t\n\f\r";
      const std::size_t at = known.find(c);
      if (at != std::string_view::npos) {
        out += '\\';
        out += "btnfr"[at];
      } else {
        std::snprintf(code, sizeof(code), "\\u%04x", byte);
        out += code;
      }
    } else {
      out += c;
    }
  }
  return out + "\"";
}

TEST(JsonWriter, EscapesAtEveryPlaceOfABlock) {
  for (std::size_t size = 0; size < 70; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (const char c : {'"', '\\', '\n', '\x01', '\x1f', ' ', '\x7f', '\0'}) {
        std::string text(size, 'x');
        text[at] = c;
        ASSERT_EQ(json_quoted(text), plain_quoted(text)) << size << " " << at;
      }
    }
  }
}

TEST(JsonWriter, TakesUtf8AndRefusesTheRest) {
  EXPECT_EQ(json_quoted("ünïcødé 漢 😀 and more than sixteen"), "\"ünïcødé 漢 😀 and more than sixteen\"");
  for (const char* bad :
       {"\xff", "abcdefghijklmnopqrstuvw\xc3", "\xc0\x80", "\xed\xa0\x80", "aaaaaaaaaaaaaaaaaaaa\x80\"x"}) {
    std::string out;
    EXPECT_FALSE(append_json_string(out, bad));
  }
  std::string name;
  append_json_name(name, "caf\xe9");
  EXPECT_EQ(name, "\"caf\xEF\xBF\xBD\"");
}

TEST(JsonWriter, NumbersReadBackAsTheyWere) {
  std::string out;
  append_json_int(out, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(out, "-9223372036854775808");
  out.clear();
  append_json_uint(out, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(out, "18446744073709551615");
  for (const double value : {0.1, 1e22, 5e-324, -1.7976931348623157e308, 3.4028234663852886e38, 1.0 / 3}) {
    out.clear();
    append_json_double(out, value);
    EXPECT_EQ(std::strtod(out.c_str(), nullptr), value) << out;
    EXPECT_TRUE(is_json_number(out)) << out;
  }
  out.clear();
  append_json_double(out, std::nan(""));
  append_json_double(out, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(out, "\"NaN\"\"-Infinity\"");
}

TEST(JsonWriter, JsonNumberGrammar) {
  for (const char* good : {"0", "-0", "12.50", "1e5", "1E-5", "0.00001"})
    EXPECT_TRUE(is_json_number(good)) << good;
  for (const char* bad : {"", "-", "01", "1.", ".5", "NaN", "1e", "+1", "1 ", "0x1"})
    EXPECT_FALSE(is_json_number(bad)) << bad;
}

TEST(JsonWriter, VerbatimJsonStaysOneLine) {
  std::string out;
  EXPECT_TRUE(append_json_verbatim(out, "{\r\n  \"a\": \"x\\ny\"\n}"));
  EXPECT_EQ(out, "{    \"a\": \"x\\ny\" }");
  EXPECT_FALSE(append_json_verbatim(out, ""));
  EXPECT_FALSE(append_json_verbatim(out, "\"\xff\""));
}

TEST(JsonWriter, Base64OfRfc4648) {
  const auto base64 = [](std::string_view bytes) {
    std::string out;
    append_base64(out, bytes);
    return out;
  };
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64(std::string_view("\x00\xff\x10", 3)), "AP8Q");
}

}  // namespace
}  // namespace millrace
