#include "source/postgres/copy_text.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

namespace millrace::postgres {
namespace {

using std::string_literals::operator""s;
using Values = std::vector<std::optional<std::string>>;

std::optional<Values> read(std::string_view line, std::size_t columns) {
  CopyTextReader reader;
  if (!reader.read(line, columns)) return std::nullopt;
  Values out;
  for (const CopyField& field : reader.fields()) {
    out.push_back(field.null ? std::nullopt : std::optional(std::string(field.text)));
  }
  return out;
}

TEST(CopyText, TakesLinesApart) {
  EXPECT_EQ(read("1\ta b\t\\N\t\n", 4), (Values{"1", "a b", std::nullopt, ""}));
  EXPECT_EQ(read("x", 1), Values{"x"});
  EXPECT_EQ(read("\n", 1), Values{""});
  EXPECT_EQ(read("\n", 0), Values{});
}

TEST(CopyText, Escapes) {
  EXPECT_EQ(read("a\\tb\\nc\\\\d\\r\\b\\f\\v", 1), Values{"a\tb\nc\\d\r\b\f\v"});
  EXPECT_EQ(read("\\\\N", 1), Values{"\\N"});  // the text \N, not NULL
  EXPECT_EQ(read("\\\\x00ff", 1), Values{"\\x00ff"});
  EXPECT_EQ(read("\\101\\x42\\q", 1), Values{"ABq"});
}

TEST(CopyText, AnotherNumberOfColumnsIsRefused) {
  EXPECT_FALSE(read("1\t2", 1));
  EXPECT_FALSE(read("1\t2", 3));
  EXPECT_FALSE(read("", 2));
  EXPECT_FALSE(read("x", 0));
  EXPECT_FALSE(read("a\\", 1));
}

TEST(CopyText, WhatTheServerEscapesComesBack) {
  std::mt19937 random(3);
  constexpr std::string_view kLetters = "aN\\\t\n\r\b\f\v01x\"é";
  for (int round = 0; round < 5000; ++round) {
    Values values(1 + random() % 4);
    std::string line;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) line.push_back('\t');
      if (random() % 4 == 0) {
        line += "\\N";
        continue;
      }
      values[i].emplace();
      for (std::size_t n = random() % 10; n > 0; --n) {
        const char c = kLetters[random() % kLetters.size()];
        values[i]->push_back(c);
        const std::size_t special = "\\\t\n\r\b\f\v"s.find(c);
        if (special == std::string::npos) {
          line.push_back(c);
        } else {
          line.push_back('\\');
          line.push_back("\\tnrbfv"[special]);
        }
      }
    }
    EXPECT_EQ(read(line + "\n", values.size()), values) << line;
  }
}

}  // namespace
}  // namespace millrace::postgres
