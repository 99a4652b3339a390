#include "sink/redis/target/nest.h"

#include <gtest/gtest.h>

#include "sink/redis/target/test_rows.h"

namespace millrace::redis {
namespace {

const auto kTable = test_schema("t", {"order_id", "line_no", "name"}, 3);

std::vector<RowNest::Found> found(std::string_view path, std::string_view member, std::string_view document) {
  const auto text = RowText::make(*ValueTemplate::parse(member), "target.member", "shop.public.t", *kTable);
  const auto nest = RowNest::make(*NestPath::parse(path), "shop.public.t", *kTable, *text);
  return nest->find(document, *text);
}

std::vector<RowNest::Found> found_in_document(const RowNest& nest, const RowText& member) {
  auto rows = nest.find(R"({"lines":{"7":{"parts":{"a":{},"b c":{}}},"9":{"parts":{"c":{}}}}})", member);
  EXPECT_EQ(rows.size(), 3U);
  return rows;
}

TEST(RowNest, FindsItsRowsInADocument) {
  const auto rows =
      found("lines", "{line_no}", R"({"id":1,"lines":{"7":{"a":1},"8 x":{}},"other":{"9":{}}})");
  ASSERT_EQ(rows.size(), 2U);
  const NestPlace place = nest_place(rows[1].member);
  EXPECT_EQ(place.parent, "$");
  EXPECT_EQ(place.part, R"(["lines"])");
  EXPECT_EQ(place.name, "8 x");
  EXPECT_EQ(rows[0].values, std::vector<std::string>({"7"}));
}

TEST(RowNest, FindsRowsInRows) {
  const auto rows = found("lines.{line_no}.parts", "{name}",
                          R"({"lines":{"7":{"parts":{"a":{},"b":{}}},"8":{},"9":{"parts":{"c":{}}}}})");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(nest_place(rows[2].member).parent, R"($["lines"]["9"])");
  EXPECT_EQ(rows[2].values, std::vector<std::string>({"9", "c"}));
}

TEST(RowNest, WhatIsNoObjectHasNoRows) {
  EXPECT_TRUE(found("lines", "{line_no}", R"({"lines":[1,2]})").empty());
  EXPECT_TRUE(found("lines", "{line_no}", "[]").empty());
  EXPECT_TRUE(found("lines", "{line_no}", "{").empty());
}

TEST(RowNest, ValuesOfAPlace) {
  const auto text = RowText::make(*ValueTemplate::parse("{name}"), "target.member", "shop.public.t", *kTable);
  const auto nest = RowNest::make(*NestPath::parse("lines.{line_no}.parts"), "shop.public.t", *kTable, *text);
  const auto values = [&](std::string_view parent, std::string_view part, std::string_view name) {
    const std::string zero(1, '\0');
    return nest->values_of(std::string(parent) + zero + std::string(part) + zero + std::string(name), *text);
  };
  const std::string_view part = R"(["parts"])";
  const auto found = values(R"($["lines"]["7"])", part, "a");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, std::vector<std::string>({"7", "a"}));
  EXPECT_FALSE(values(R"($["lines"]["7"])", R"(["other"])", "a"));
  EXPECT_FALSE(values(R"($["lines"])", part, "a"));
  EXPECT_FALSE(values(R"($["lines"]["7\\"])", part, "a"));
  EXPECT_FALSE(values(R"($["lines"]["7)", part, "a"));
  EXPECT_FALSE(values(R"($["lines"]["7"]["more"])", part, "a"));
  EXPECT_FALSE(values("$", part, "a"));
  EXPECT_FALSE(values(R"($["lines"]["7"])", part, ""));
  for (const auto& one : found_in_document(*nest, *text))
    EXPECT_EQ(nest->values_of(one.member, *text), one.values);
}

TEST(NestName, ObjectsAndArrays) {
  EXPECT_EQ(nest_part("lines"), R"(["lines"])");
  EXPECT_EQ(nest_part("lines[no]"), R"(["lines"][?(@["no"]==)");
  EXPECT_EQ(nest_tree_json({{"lines[no]", {{"parts", {}}}}}),
            R"({"[\"lines\"][?(@[\"no\"]==":{"[\"parts\"]":{}}})");
  EXPECT_EQ((NestPlace{"$", R"(["lines"][?(@["no"]==)", "7"}.path()), R"($["lines"][?(@["no"]==7)])");
  EXPECT_EQ((NestPlace{"$", R"(["lines"])", "7"}.path()), R"($["lines"]["7"])");
  for (const char* bad : {"lines[]", "[no]", "lines[a\"b]", "lines[no].parts", "lines[ no]"})
    EXPECT_FALSE(NestPath::parse(bad)) << bad;
  EXPECT_TRUE(NestPath::parse("lines[no].{line_no}.parts[k]"));
}

}  // namespace
}  // namespace millrace::redis
