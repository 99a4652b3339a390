#include "sink/redis/table_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <tuple>

#include "sink/redis/spec.h"

namespace millrace::redis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ScanTable people(RowIdentity identity = RowIdentity::kDefault) {
  auto schema = std::make_shared<TableSchema>();
  schema->id = 1;
  schema->schema = "public";
  schema->table = "people";
  schema->identity = identity;
  schema->key_columns = {0};
  for (const auto& [name, type, source_type] :
       {std::tuple("id", CellType::kInt64, "int8"), std::tuple("name", CellType::kText, "text"),
        std::tuple("age", CellType::kInt64, "int4"),
        std::tuple("ends_at", CellType::kTimestampTz, "timestamptz"),
        std::tuple("meta", CellType::kJson, "jsonb")}) {
    ColumnSchema column;
    column.name = name;
    column.type = type;
    column.source_type = source_type;
    schema->columns.push_back(column);
  }
  ScanTable out;
  out.topic = "s.public.people";
  out.name = "public.people";
  out.schema = std::move(schema);
  return out;
}

using Values = std::vector<std::pair<std::string, std::string>>;

/// `error|warning subject: message fix`, as `check` finds it for these settings.
std::vector<std::string> found(const Values& values, const ScanTable& table = people()) {
  std::vector<Setting> settings;
  for (const auto& [name, value] : values) settings.push_back({name, value, {}});
  const bool has_topics =
      std::ranges::any_of(values, [](const auto& one) { return one.first.starts_with("topics"); });
  if (!has_topics) settings.push_back({"topics", "s.public.people", {}});
  const auto config = ConnectorConfig::make("cache", redis_spec().options, settings);
  if (!config) return {config.error().message};
  const auto read = read_settings(*config);
  if (!read) return {read.error().message};
  std::vector<std::string> out;
  for (const Finding& one : check_tables(*read, std::span(&table, 1))) {
    EXPECT_TRUE(one.may_heal) << "a pipeline starts all the same";
    out.push_back((one.level == Finding::Level::kError ? "error " : "warning ") + one.subject + ": " +
                  one.message + " " + one.fix);
  }
  return out;
}

TEST(TableCheck, WhatIsRightIsNotTold) {
  EXPECT_THAT(found({{"target.key", "p:{id}"}, {"target.expire", "{ends_at}"}}), IsEmpty());
  EXPECT_THAT(found({{"target.type", "sorted_set"}, {"target.key", "all"}, {"target.score", "ends_at"}}),
              IsEmpty());
  EXPECT_THAT(found({{"target.key", "p:{id}"},
                     {"target.fields", "*, millis(ends_at) as until"},
                     {"indexes.i.fields.age", "NUMERIC"},
                     {"indexes.i.fields.ends_at", "NUMERIC"},
                     {"indexes.i.fields.until", "NUMERIC"},
                     {"indexes.i.fields.meta.addr.city", "TAG"},
                     {"indexes.i.fields.$.anything as x", "TAG"}}),
              IsEmpty());
}

TEST(TableCheck, RowsThatCouldNotBeWrittenAreAnError) {
  EXPECT_THAT(found({{"target.key", "p:{idd}"}}),
              ElementsAre(AllOf(HasSubstr("error table public.people"), HasSubstr("target.key"),
                                HasSubstr("idd"), HasSubstr("did you mean id?"))));
  const Values sorted = {{"target.type", "sorted_set"}, {"target.key", "all"}};
  auto with = [&sorted](const char* column) {
    Values values = sorted;
    values.emplace_back("target.score", column);
    return found(values);
  };
  EXPECT_THAT(with("agee"), ElementsAre(AllOf(HasSubstr("error"), HasSubstr("target.score"),
                                              HasSubstr("did you mean age?"))));
  EXPECT_THAT(with("name"), ElementsAre(AllOf(HasSubstr("error"), HasSubstr("target.score"),
                                              HasSubstr("which is text and no number"))));
  EXPECT_THAT(found({{"target.key", "p:{id}"}, {"target.fields", "millis(age) as x"}}),
              ElementsAre(AllOf(HasSubstr("error"), HasSubstr("target.fields"), HasSubstr("age"))));
  EXPECT_THAT(found({{"outputs.one.target.key", "p:{id}"},
                     {"outputs.two.target.type", "set"},
                     {"outputs.two.target.key", "all"},
                     {"outputs.two.target.member", "{nam}"}}),
              ElementsAre(AllOf(HasSubstr("error output two, table public.people"),
                                HasSubstr("target.member"), HasSubstr("did you mean name?"))));
}

TEST(TableCheck, WhatWouldBeLeftOutIsAWarning) {
  EXPECT_THAT(found({{"target.key", "p:{id}"}, {"target.fields", "id, nmae"}}),
              ElementsAre(AllOf(HasSubstr("warning table public.people"), HasSubstr("nmae"),
                                HasSubstr("did you mean name?"))));
  EXPECT_THAT(found({{"target.key", "p:{id}"}, {"target.expire", "{end_at}"}}),
              ElementsAre(AllOf(HasSubstr("warning"), HasSubstr("target.expire"),
                                HasSubstr("did you mean ends_at?"))));
  EXPECT_THAT(found({{"target.key", "p:{id}"}, {"target.expire", "{name}"}}),
              ElementsAre(AllOf(HasSubstr("warning"), HasSubstr("target.expire"), HasSubstr("name"))));
}

TEST(TableCheck, IndexFields) {
  const auto index = [](const char* field, const char* type) {
    return found({{"target.key", "p:{id}"}, {std::string("indexes.i.fields.") + field, type}});
  };
  EXPECT_THAT(index("nmae", "TAG"), ElementsAre(AllOf(HasSubstr("warning index i"), HasSubstr("nmae"),
                                                      HasSubstr("did you mean name?"))));
  EXPECT_THAT(index("name", "NUMERIC"),
              ElementsAre(AllOf(HasSubstr("warning index i"), HasSubstr("NUMERIC"), HasSubstr("name"))));
  EXPECT_THAT(index("age", "GEO"), ElementsAre(AllOf(HasSubstr("warning index i"), HasSubstr("age"))));
  EXPECT_THAT(index("age.city", "TAG"), ElementsAre(HasSubstr("nothing that is written")));
}

TEST(TableCheck, OldRowsThatLackWhereTheyLie) {
  const Values set = {{"target.type", "set"}, {"target.key", "aged:{age}"}};
  EXPECT_THAT(found(set),
              ElementsAre(AllOf(HasSubstr("warning table public.people"), HasSubstr("age, which"),
                                HasSubstr(R"(ALTER TABLE "public"."people" REPLICA IDENTITY FULL)"))));
  EXPECT_THAT(found(set, people(RowIdentity::kFull)), IsEmpty());
  EXPECT_THAT(found({{"target.key", "p:{id}:{name}"}}), ElementsAre(HasSubstr("name, which")));
}

TEST(TableCheck, TopicsOfAPatternThatNoOutputTakes) {
  const Values values = {{"topics.regex", "s\\..*"},
                         {"outputs.one.topics", "s.public.other"},
                         {"outputs.one.target.key", "p:{id}"}};
  EXPECT_THAT(found(values), ElementsAre(HasSubstr("warning topic s.public.people: no output takes it")));
}

TEST(TableCheck, OutputsNameTopicsOfTheSink) {
  EXPECT_THAT(found({{"topics", "s.public.people, s.public.tags"},
                     {"outputs.one.topics", "s.public.poeple"},
                     {"outputs.one.target.key", "p:{id}"}}),
              ElementsAre(AllOf(HasSubstr("outputs.one.topics"), HasSubstr("s.public.poeple"))));
}

}  // namespace
}  // namespace millrace::redis
