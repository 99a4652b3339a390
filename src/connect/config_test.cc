#include "connect/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>

#include "connect/fake_values.h"
#include "connect/option_table.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using enum OptionType;

std::span<const OptionSpec> options() {
  static const std::array table = {
      OptionSpec{.name = "host", .required = true},
      OptionSpec{.name = "port", .type = kInteger, .default_value = "5432", .minimum = 1, .maximum = 65535},
      OptionSpec{.name = "password", .type = kSecret},
      OptionSpec{
          .name = "mode", .type = kEnum, .default_value = "initial", .choices = {"initial", "no_data"}},
      OptionSpec{.name = "tables", .type = kPatternList, .aliases = {"whitelist"}},
      OptionSpec{.name = "tombstones", .type = kBoolean},
      OptionSpec{.name = "indexes.<index>.prefix"},
      OptionSpec{.name = "indexes.<index>.fields.<field>"},
  };
  return table;
}

/// Settings on consecutive lines of one file, from line 10 on.
std::vector<Setting> settings(const std::vector<std::pair<std::string, std::string>>& given) {
  std::vector<Setting> out;
  int line = 10;
  for (const auto& [name, value] : given) out.push_back({name, value, {"p.yaml", line++}});
  return out;
}

std::string faults_of(const std::vector<std::pair<std::string, std::string>>& given,
                      const FakeValues& values = {}) {
  Faults faults;
  const auto config = ConnectorConfig::check({"shop", "a test connector", {"p.yaml", 9}}, options(),
                                             settings(given), values, faults);
  EXPECT_EQ(config.has_value(), faults.empty());
  return faults.error().message;
}

TEST(ConnectorConfig, ReadsTypedValuesAndDefaults) {
  const auto config = ConnectorConfig::make(
      "shop", options(),
      settings({{"host", "h"}, {"mode", "NO_DATA"}, {"tables", "a\\.b, c{1\\,2}"}, {"tombstones", "True"}}));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->text("host"), "h");
  EXPECT_EQ(config->integer("port"), 5432);
  EXPECT_EQ(config->text("mode"), "no_data");
  EXPECT_TRUE(config->boolean("tombstones"));
  EXPECT_THAT(config->list("tables"), ElementsAre("a\\.b", "c{1,2}"));
  EXPECT_FALSE(config->has("password"));
  EXPECT_TRUE(config->has("port"));
  EXPECT_EQ(config->text("password"), "");
}

TEST(ConnectorConfig, GivesWildcardsInTheOrderWritten) {
  const auto config = ConnectorConfig::make("c", options(),
                                            settings({{"host", "h"},
                                                      {"indexes.f.fields.z.y", "TAG"},
                                                      {"indexes.f.fields.a", "TEXT"},
                                                      {"indexes.f.prefix", "flight:"}}));
  ASSERT_TRUE(config);
  const auto below = config->below("indexes.f.fields.");
  ASSERT_EQ(below.size(), 2U);
  EXPECT_EQ(below[0].name, "z.y");
  EXPECT_EQ(below[1].name, "a");
  EXPECT_EQ(config->text("indexes.f.prefix"), "flight:");
}

TEST(ConnectorConfig, NamesEveryFaultWithItsPlace) {
  EXPECT_EQ(faults_of({{"prot", "1"}, {"port", "70000"}, {"mode", "initail"}, {"tombstones", "yes"}}),
            "p.yaml:9: connectors.shop.host: missing; a test connector needs it: text\n"
            "p.yaml:10: connectors.shop.prot: not an option of a test connector; did you mean port?\n"
            "p.yaml:11: connectors.shop.port: expected an integer from 1 to 65535, found \"70000\"\n"
            "p.yaml:12: connectors.shop.mode: expected one of initial, no_data, found \"initail\"\n"
            "p.yaml:13: connectors.shop.tombstones: expected true or false, found \"yes\"");
}

TEST(ConnectorConfig, SuggestsInsideAWildcard) {
  EXPECT_EQ(faults_of({{"host", "h"}, {"indexes.flights.prefx", "x"}}),
            "p.yaml:11: connectors.shop.indexes.flights.prefx: not an option of a test connector; "
            "did you mean indexes.flights.prefix?");
}

TEST(ConnectorConfig, SaysWhereToLookWhenNothingIsNear) {
  EXPECT_EQ(faults_of({{"host", "h"}, {"zzzzzzzzzzzz", "x"}}),
            "p.yaml:11: connectors.shop.zzzzzzzzzzzz: not an option of a test connector; "
            "`millrace explain` lists them");
}

TEST(ConnectorConfig, RefusesAnAliasBesideItsOption) {
  EXPECT_EQ(faults_of({{"host", "h"}, {"tables", "a"}, {"whitelist", "b"}}),
            "p.yaml:12: connectors.shop.whitelist: given twice, also on line 11");
}

TEST(ConnectorConfig, RefusesEmptyWhereAValueIsNeeded) {
  EXPECT_EQ(faults_of({{"host", ""}, {"port", ""}}),
            "p.yaml:10: connectors.shop.host: expected text, found nothing\n"
            "p.yaml:11: connectors.shop.port: expected an integer from 1 to 65535, found nothing");
}

TEST(ConnectorConfig, RefusesABrokenPattern) {
  EXPECT_THAT(faults_of({{"host", "h"}, {"tables", "a("}}),
              HasSubstr("p.yaml:11: connectors.shop.tables: expected a list of regular expressions"));
}

TEST(ConnectorConfig, LooksValuesUpLate) {
  const FakeValues values(
      {{"PW", "s3cret,${env:NO}"}, {"PORT", "99"}},
      {{"conf/db.properties", "# db\nuser=me\ndb.password = p\\=w \n"}, {"conf/token", " t\n"}});
  Faults faults;
  std::vector<Setting> given =
      settings({{"host", "a-${env:PORT}-${x}"},
                {"port", "${env:PORT}"},
                {"password", "${env:PW}"},
                {"mode", "initial"},
                {"indexes.a.prefix", "${file:db.properties:db.password}${file:token}"}});
  for (Setting& one : given) one.origin.file = "conf/p.yaml";
  const auto config = ConnectorConfig::check({"c", "x", {}}, options(), given, values, faults);
  ASSERT_TRUE(config) << faults.error().message;
  EXPECT_EQ(config->text("host"), "a-99-${x}");
  EXPECT_EQ(config->integer("port"), 99);
  EXPECT_EQ(config->text("password"), "s3cret,${env:NO}");  // what was looked up is not looked at again
  EXPECT_EQ(config->text("indexes.a.prefix"), "p=wt");
  EXPECT_THAT(config->secrets(), ElementsAre("s3cret,${env:NO}"));
}

TEST(ConnectorConfig, NamesTheVariableOrKeyThatIsMissing) {
  const FakeValues values({}, {{"a", "x=1"}});
  EXPECT_EQ(faults_of({{"host", "${env:NO_SUCH}"},
                       {"password", "${file:a:y}"},
                       {"mode", "${file:gone}"},
                       {"indexes.i.prefix", "${evn:X}"}},
                      values),
            "p.yaml:10: connectors.shop.host: environment variable NO_SUCH is not set\n"
            "p.yaml:11: connectors.shop.password: file a has no key y\n"
            "p.yaml:12: connectors.shop.mode: cannot read gone: no such file\n"
            "p.yaml:13: connectors.shop.indexes.i.prefix: ${evn:...} is not known; "
            "expected ${env:NAME} or ${file:PATH:KEY}");
}

TEST(ConnectorConfig, NeverShowsAValueThatWasLookedUp) {
  const FakeValues values({{"PW", "hunter2"}}, {});
  const std::string text =
      faults_of({{"port", "${env:PW}"}, {"mode", "${env:PW}"}, {"tombstones", "${env:PW}"}}, values);
  EXPECT_THAT(text,
              HasSubstr("connectors.shop.port: expected an integer from 1 to 65535, found something else in "
                        "${env:PW}"));
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
}

TEST(ConnectorConfig, NeverShowsTheValueOfAnUnknownOption) {
  EXPECT_THAT(faults_of({{"host", "h"}, {"pasword", "hunter2"}}), Not(HasSubstr("hunter2")));
}

TEST(ConnectorConfig, KeepsTheTerminalSafe) {
  EXPECT_THAT(faults_of({{"host", "h"}, {"port", "\x1b[2J"}, {"a\x1b[31m", "x"}}), Not(HasSubstr("\x1b")));
}

TEST(OptionTable, MatchesPlaceholders) {
  EXPECT_TRUE(matches_option("indexes.<i>.prefix", "indexes.flights.prefix"));
  EXPECT_FALSE(matches_option("indexes.<i>.prefix", "indexes.prefix"));
  EXPECT_FALSE(matches_option("indexes.<i>.prefix", "indexes..prefix"));
  EXPECT_FALSE(matches_option("indexes.<i>.prefix", "indexes.a.b.prefix"));
  EXPECT_TRUE(matches_option("indexes.<i>.fields.<f>", "indexes.a.fields.b.c"));
  EXPECT_FALSE(matches_option("indexes.<i>.fields.<f>", "indexes.a.fields"));
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(printable("ab\xC3\xA4", 3), "ab...");
  EXPECT_EQ(printable("ab\xC3\xA4", 4), "ab\xC3\xA4");
  EXPECT_EQ(printable("a\nb\x7F\x1b"), "a b??");
}

}  // namespace
}  // namespace millrace
