#include "cli/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "cli/check.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/version.h"
#include "control/letters_json.h"
#include "control/status_json.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ConnectorStatus example() {
  ConnectorStatus one;
  one.name = "shop";
  one.kind = "postgres";
  one.state = ConnectorState::kSnapshot;
  one.message = "say \"hi\"";
  one.hint = "do";
  one.position = "0/1";
  one.lag_bytes = 2048;
  one.lag_ms = 12;
  one.rows = 1'234'567;
  one.errors = 2;
  one.snapshot = {true, "public.flights", 1, 3, 500, 1000};
  one.warnings = {"w1"};
  return one;
}

TEST(Table, AlignsByCharacters) {
  TextTable table({{"A"}, {"NUMBER", true}, {"B"}});
  table.add({"\xC3\xA4\xC3\xB6", "7", ""});
  table.add({"xyz", "12345678", "q"});
  EXPECT_EQ(table.text(),
            "A      NUMBER  B\n"
            "\xC3\xA4\xC3\xB6          7\n"
            "xyz  12345678  q\n");
}

TEST(Table, WritesNumbersAndBars) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'000), "1,000");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
  EXPECT_EQ(bar(0.5, 4), "[##--]");
  EXPECT_EQ(bar(7, 4), "[####]");
  EXPECT_EQ(bar(-1, 4), "[----]");
  EXPECT_EQ(bar(0.0 / 1e-300 * 0, 2), "[--]");
}

TEST(Views, ReadWhatTheServerWrites) {
  const auto read = parse_status(status_json("p", {example()}, Redactor()));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 1U);
  EXPECT_EQ(status_table(*read), status_table({view_of(example())}));
  EXPECT_THAT(status_table(*read),
              HasSubstr("shop       postgres  snapshot  0/1       12.0 ms (2.0 KiB)  1,234,567"));
  EXPECT_THAT(status_table(*read), HasSubstr("shop: say \"hi\"\n  hint: do\n"));
  const auto topics = parse_topics(topics_json({{"t.b", 1, 5, 9, 4096}, {"t.a", 1, 0, 1, 10}}));
  ASSERT_TRUE(topics);
  EXPECT_THAT(topics_table(*topics), HasSubstr("t.b        5     9     4  4.0 KiB\n"));
  const auto letters = parse_dead_letters(dead_letters_json({{7, 0, {1, 2, 3, "t", "k\x1b", "e"}}}));
  ASSERT_TRUE(letters);
  EXPECT_THAT(dead_letters_table(*letters),
              HasSubstr("7  1970-01-01T00:00:00.000Z  parked  t      -       k?"));
}

TEST(Views, RefuseOtherAnswers) {
  for (const char* wrong : {"", "{", "[]", "{}", "<html>", R"({"connectors":[1]})", R"({"connectors":{}})"}) {
    EXPECT_FALSE(parse_status(wrong)) << wrong;
  }
  EXPECT_FALSE(parse_topics("{}"));
  EXPECT_EQ(parse_error_message(R"({"error_code":404,"message":"no"})"), "no");
  EXPECT_EQ(parse_error_message("oops"), "oops");
}

TEST(Progress, ShowsRatesAndTheSnapshot) {
  Progress progress;
  ConnectorView one = view_of(example());
  EXPECT_THAT(progress.line({one}, 1'000'000),
              HasSubstr("shop: snapshot public.flights (table 2 of 3) "
                        "[##########----------] 50 %, 1,234,567 rows, lag 12.0 ms"));
  one.rows += 500;
  EXPECT_THAT(progress.line({one}, 1'500'000), HasSubstr("1,235,067 rows (1,000/s)"));
  one.snapshot = {};
  one.rows = 0;  // started anew
  EXPECT_THAT(progress.line({one}, 2'000'000), HasSubstr("shop: snapshot, 0 rows, lag"));
  EXPECT_EQ(progress.line({}, 3'000'000), "no connectors");
}

TEST(Progress, IsSilentWhileNothingChanges) {
  Progress progress;
  ConnectorView one = view_of(example());
  EXPECT_TRUE(progress.plain_line({one}, 1));
  EXPECT_FALSE(progress.plain_line({one}, 2));
  one.lag_ms = 99;  // moves all the time
  EXPECT_FALSE(progress.plain_line({one}, 3));
  one.state = "waiting for source";
  EXPECT_THAT(*progress.plain_line({one}, 4), HasSubstr("waiting for source"));
  EXPECT_THAT(*progress.plain_line({one, one}, 5), Not(HasSubstr("[#")));
}

TEST(Check, PrintsFindingsWithTheirFix) {
  const std::vector<Checked> findings = {
      {"shop", {Finding::Level::kOk, "wal_level", "logical", ""}},
      {"cache", {Finding::Level::kError, "index", "differs", "FT.DROPINDEX i"}},
  };
  EXPECT_EQ(findings_text(findings, true),
            "ok      shop   wal_level: logical\n"
            "error   cache  index: differs\n"
            "               fix: FT.DROPINDEX i\n");
  EXPECT_THAT(findings_text(findings, false), Not(HasSubstr("wal_level")));
  EXPECT_TRUE(has_error(findings));
  EXPECT_THAT(findings_json(findings), HasSubstr(R"({"ok":false,"findings":[{"owner":"shop","level":"ok")"));
}

TEST(Version, IsThatOfTheBuild) {
  std::ifstream in("CMakeLists.txt");
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_THAT(text, HasSubstr("VERSION " + std::string(program_version()) + " "));
}

}  // namespace
}  // namespace millrace
