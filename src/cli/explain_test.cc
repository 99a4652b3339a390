#include "cli/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "cli/docs.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using enum OptionType;

std::span<const ConnectorSpec* const> specs() {
  static const std::array source_options = {
      OptionSpec{
          .name = "slot.name", .default_value = "millrace", .group = "Server", .doc = "The slot | of it."},
      OptionSpec{.name = "database.password",
                 .type = kSecret,
                 .default_value = "",
                 .group = "Server",
                 .doc = "Hush."},
      OptionSpec{.name = "snapshot.mode",
                 .type = kEnum,
                 .default_value = "initial",
                 .group = "Snapshot",
                 .doc = "When to read what is there.",
                 .choices = {"initial", "no_data"}},
      OptionSpec{.name = "topic.prefix", .required = true, .group = "Topics", .doc = "Before every topic."},
  };
  static const std::array sink_options = {
      OptionSpec{.name = "redis.uri", .doc = "Where.", .aliases = {"uri"}},
      OptionSpec{.name = "indexes.<index>.prefix", .doc = "Keys that begin with <this>, `<so>`."},
      OptionSpec{.name = "topics", .type = kList},
  };
  static const ConnectorSpec source{
      .kind = "postgres",
      .aliases = {"PostgresConnector"},
      .summary = "A source.",
      .options = source_options,
      .make_source = [](const ConnectorConfig&) -> Result<std::unique_ptr<Source>> {
        return stop_error("only a test");
      }};
  static const ConnectorSpec sink{
      .kind = "redis", .aliases = {}, .summary = "A sink.", .options = sink_options};
  static const std::array<const ConnectorSpec*, 2> all{&source, &sink};
  return all;
}

std::string explain(std::string_view name, std::string_view kind = "") {
  const auto text = explain_option(name, kind, specs());
  EXPECT_TRUE(text) << name;
  return text ? *text : "";
}

TEST(Explain, TellsAllAboutAnOption) {
  EXPECT_EQ(explain("snapshot.mode"),
            "snapshot.mode\n"
            "  of        postgres (source)\n"
            "  expected  one of initial, no_data\n"
            "  default   initial\n"
            "\n"
            "  When to read what is there.\n");
  EXPECT_THAT(explain("database.password"), HasSubstr("never shown"));
  EXPECT_THAT(explain("topic.prefix"), HasSubstr("required"));
  EXPECT_THAT(explain("log.retention.ms"), HasSubstr("the pipeline file"));
}

TEST(Explain, FindsANameHoweverItIsWritten) {
  EXPECT_THAT(explain("indexes.flights.prefix"), HasSubstr("indexes.<index>.prefix\n"));
  EXPECT_THAT(explain("indexes.<index>.prefix"), HasSubstr("indexes.<index>.prefix\n"));
  EXPECT_THAT(explain("connectors.shop.slot.name"), HasSubstr("slot.name\n"));
  EXPECT_THAT(explain("postgres.slot.name"), HasSubstr("slot.name\n"));
  EXPECT_THAT(explain("redis.uri"), HasSubstr("redis.uri\n"));
  EXPECT_THAT(explain("uri"), HasSubstr("redis.uri\n"));
}

TEST(Explain, ListsOptions) {
  EXPECT_THAT(explain(""),
              ::testing::AllOf(HasSubstr("slot.name"), HasSubstr("redis.uri"), HasSubstr("http.listen")));
  EXPECT_THAT(explain("", "redis"), ::testing::AllOf(HasSubstr("redis.uri"), Not(HasSubstr("slot.name"))));
  EXPECT_THAT(explain("slot.*"), ::testing::AllOf(HasSubstr("slot.name"), Not(HasSubstr("redis.uri"))));
  EXPECT_THAT(explain("snapshot"), HasSubstr("snapshot.mode"));
}

TEST(Explain, NamesTheNearest) {
  const auto missing = explain_option("snapshot.mod", "", specs());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "there is no option snapshot.mod");
  EXPECT_EQ(missing.error().hint, "did you mean snapshot.mode?");
  EXPECT_EQ(explain_option("indexes.a.prefx", "", specs()).error().hint, "did you mean indexes.a.prefix?");
  EXPECT_FALSE(explain_option("slot.name", "redis", specs()));
  EXPECT_FALSE(explain_option("slot.name", "oracle", specs()));
  EXPECT_FALSE(explain_option("zzzzzzzzzz", "", specs()));
}

TEST(Docs, MakesAPageOfEachTable) {
  const auto pages = option_pages(specs());
  ASSERT_EQ(pages.size(), 3U);
  const std::string& page = pages.at("postgres.md");
  EXPECT_THAT(page, HasSubstr("# `kind: postgres` (source)\n\nA source.\n"));
  EXPECT_THAT(page, HasSubstr("| `slot.name` | text | `millrace` | The slot \\| of it. |\n"));
  EXPECT_THAT(page, HasSubstr("| `topic.prefix` | text | **required** | Before every topic. |\n"));
  EXPECT_THAT(page, HasSubstr("| `database.password` | secret text | (empty) | Hush. |\n"));
  EXPECT_THAT(pages.at("redis.md"), HasSubstr("Keys that begin with &lt;this>, `<so>`."));
  EXPECT_THAT(pages.at("pipeline-file.md"), HasSubstr("`${file:PATH:KEY}`"));
}

}  // namespace
}  // namespace millrace
