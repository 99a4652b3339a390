#include "sink/redis/index/index.h"

#include <gtest/gtest.h>

#include "sink/redis/index/index_plan.h"

namespace millrace::redis {
namespace {

IndexDefinition flights() {
  IndexDefinition index;
  index.name = "flights";
  index.prefixes = {"flight:"};
  for (const auto& [name, type] :
       {std::pair("origin", "tag"), std::pair("delay", "NUMERIC  SORTABLE"), std::pair("meta.src", "TEXT")}) {
    index.fields.push_back(*parse_index_field(name, type, true));
  }
  return index;
}

Reply text(std::string value) {
  Reply out;
  out.kind = Reply::Kind::kBulk;
  out.text = std::move(value);
  return out;
}
Reply list(std::vector<Reply> elements) {
  Reply out;
  out.kind = Reply::Kind::kArray;
  out.elements = std::move(elements);
  return out;
}
Reply words(std::initializer_list<const char*> all) {
  Reply out = list({});
  for (const char* word : all) out.elements.push_back(text(word));
  return out;
}

/// FT.INFO as Redis Stack 7.4 answers it, cut to what is looked at.
Reply info(Reply attributes, const char* prefix = "flight:", const char* last_error = "N/A") {
  return list({text("index_name"), text("flights"), text("index_definition"),
               list({text("key_type"), text("JSON"), text("prefixes"), words({prefix}), text("default_score"),
                     text("1")}),
               text("attributes"), std::move(attributes), text("hash_indexing_failures"), text("5"),
               text("Index Errors"), words({"indexing failures", "5", "last indexing error", last_error}),
               text("field statistics"),
               list({list({text("identifier"), text("$.origin"), text("attribute"), text("origin"),
                           text("Index Errors"), words({"indexing failures", "0"})}),
                     list({text("identifier"), text("$.delay"), text("attribute"), text("delay"),
                           text("Index Errors"), words({"indexing failures", "2"})})})});
}

const Reply kOrigin =
    words({"identifier", "$.origin", "attribute", "origin", "type", "TAG", "SEPARATOR", ""});
const Reply kDelay =
    words({"identifier", "$.delay", "attribute", "delay", "type", "NUMERIC", "SORTABLE", "UNF"});
const Reply kSrc =
    words({"identifier", "$.meta.src", "attribute", "meta_src", "type", "TEXT", "WEIGHT", "1"});

TEST(Index, CreateCommand) {
  EXPECT_EQ(create_text(flights()),
            "FT.CREATE " + own_name(flights()) +
                " ON JSON PREFIX 1 flight: SCHEMA '$.origin' AS origin TAG '$.delay' AS delay "
                "NUMERIC SORTABLE "
                "'$.meta.src' AS meta_src TEXT");
  EXPECT_EQ(parse_index_field("a b", "TAG", true)->identifier, "$[\"a b\"]");
  EXPECT_EQ(parse_index_field("a.b", "TAG", false)->identifier, "a.b");
  EXPECT_FALSE(parse_index_field("a", "STRING", true));
  EXPECT_FALSE(parse_index_field("a", "", true));
}

TEST(Index, DifferencesAreNamed) {
  EXPECT_TRUE(index_differences(flights(), info(list({kOrigin, kDelay, kSrc}))).empty());
  EXPECT_EQ(index_differences(flights(), info(list({kOrigin, kDelay}), "f:")),
            (std::vector<std::string>{"its prefixes are not just flight:", "field meta_src is missing"}));
  const Reply other = words({"identifier", "$.d", "attribute", "delay", "type", "TEXT"});
  const Reply extra = words({"identifier", "$.x", "attribute", "x", "type", "TAG"});
  EXPECT_EQ(index_differences(flights(), info(list({kOrigin, other, kSrc, extra}))),
            (std::vector<std::string>{"field delay reads $.d instead of $.delay",
                                      "field delay is TEXT instead of NUMERIC", "field delay is not SORTABLE",
                                      "field x is one too many"}));
  EXPECT_FALSE(index_differences(flights(), list({})).empty());
}

// The total of 5 counts three documents that were removed, which is no fault.
TEST(Index, FailuresNameTheFieldAndLeaveRemovedDocumentsOut) {
  const IndexHealth health = index_health(info(list({})));
  EXPECT_EQ(health.failures, 2);
  ASSERT_EQ(health.fields.size(), 1U);
  EXPECT_EQ(health.fields[0].field, "delay");
}

// A string where the index wants a number: no field counts it.
TEST(Index, FailuresThatNoFieldCountsAreCountedToo) {
  EXPECT_EQ(index_health(info(list({}), "flight:", "Invalid JSON type")).failures, 5);
}

TEST(Index, ErrorsOfFailuresShowNoValue) {
  const Reply errors = words({"indexing failures", "1", "last indexing error", "Invalid value: 'it's me'",
                              "last indexing error key", "k"});
  const Reply field = list({text("attribute"), text("a"), text("Index Errors"), errors});
  const IndexHealth health = index_health(list({text("field statistics"), list({field})}));
  ASSERT_EQ(health.fields.size(), 1U);
  EXPECT_EQ(health.fields[0].error, "Invalid value: ...");
  EXPECT_EQ(health.fields[0].key, "k");
}

/// The type's words, or the error's message.
std::string type_of(std::string_view type) {
  const auto field = parse_index_field("a", type, true);
  if (!field) return field.error().message + "; " + field.error().hint;
  std::string out;
  for (const std::string& word : field->type) out += (out.empty() ? "" : " ") + word;
  return out;
}

TEST(IndexField, ArgumentsAreInTheOrderThatRedisTakes) {
  EXPECT_EQ(type_of("text sortable unf nostem weight 2"), "TEXT WEIGHT 2 NOSTEM SORTABLE UNF");
  EXPECT_EQ(type_of("TAG CASESENSITIVE SEPARATOR ;"), "TAG SEPARATOR ; CASESENSITIVE");
  EXPECT_EQ(type_of("vector hnsw dim 3 type float32 distance_metric l2 m 4"),
            "VECTOR HNSW 8 TYPE FLOAT32 DIM 3 DISTANCE_METRIC L2 M 4");
  EXPECT_EQ(type_of("VECTOR FLAT 6 TYPE FLOAT64 DIM 3 DISTANCE_METRIC IP INDEXMISSING"),
            "VECTOR FLAT 6 TYPE FLOAT64 DIM 3 DISTANCE_METRIC IP INDEXMISSING");
}

TEST(IndexField, FaultsSayWhatWasExpected) {
  for (const auto& [type, part] : std::vector<std::pair<const char*, const char*>>{
           {"TEXT SORTABEL", "did you mean SORTABLE"},
           {"NUMERIC NOSTEM", "NUMERIC has no argument NOSTEM"},
           {"TAG SEPARATOR ab", "one character"},
           {"TAG SEPARATOR", "SEPARATOR has no value"},
           {"TEXT WEIGHT x", "a number above 0"},
           {"TEXT UNF", "SORTABLE UNF"},
           {"TEXT NOSTEM NOSTEM", "twice"},
           {"GEOSHAPE FLAT SPHERICAL", "not both"},
           {"VECTOR TREE", "FLAT or HNSW"},
           {"VECTOR FLAT TYPE FLOAT32 DISTANCE_METRIC L2", "has no DIM"},
           {"VECTOR FLAT TYPE FLOAT32 DIM 0 DISTANCE_METRIC L2", "a whole number above 0"},
           {"VECTOR FLAT TYPE INT9 DIM 1 DISTANCE_METRIC L2", "FLOAT32"},
           {"VECTOR FLAT 4 TYPE FLOAT32 DIM 1 DISTANCE_METRIC L2", "6 words, not 4"}}) {
    EXPECT_NE(type_of(type).find(part), std::string::npos) << type << ": " << type_of(type);
  }
}

TEST(IndexField, AFieldMayHaveANameOfItsOwn) {
  const auto field = parse_index_field("address.city as town", "TAG", true);
  ASSERT_TRUE(field);
  EXPECT_EQ(field->identifier, "$.address.city");
  EXPECT_EQ(field->attribute, "town");
}

TEST(IndexPlan, TheNameChangesWithTheDefinitionButNotWithTheOrderOfFields) {
  IndexDefinition other = flights();
  std::swap(other.fields[0], other.fields[1]);
  other.aliases = {"more"};
  EXPECT_EQ(own_name(other), own_name(flights()));
  other.fields[0].type = {"NUMERIC"};
  EXPECT_NE(own_name(other), own_name(flights()));
}

TEST(IndexPlan, WhatIsNotOursIsLeftAlone) {
  using Step = IndexPlan::Step;
  const Reply same = info(list({kOrigin, kDelay, kSrc}));
  const Reply differs = info(list({kOrigin, kDelay}));
  Reply unknown;
  unknown.kind = Reply::Kind::kError;
  IndexDefinition wanted = flights();
  EXPECT_EQ(plan_index(wanted, unknown, {}).step, Step::kCreate);
  EXPECT_EQ(plan_index(wanted, same, {}).step, Step::kNothing);
  EXPECT_EQ(plan_index(wanted, differs, {}).step, Step::kLeave);
  wanted.adopt = true;
  EXPECT_EQ(plan_index(wanted, differs, {}).step, Step::kReplace);
  // Ours, of another definition that FT.INFO does not tell apart.
  EXPECT_EQ(plan_index(wanted, same, {{"flights", "flights"}}).step, Step::kRebuild);
  const IndexPlan plan = plan_index(wanted, same, {{"flights@1", "flights"}, {"b@1", "b"}});
  EXPECT_EQ(plan.leftovers, std::vector<std::string>{"flights@1"});
  EXPECT_EQ(removed_indexes({wanted}, {{"flights@1", "flights"}, {"b@1", "b"}}),
            std::vector<std::string>{"b@1"});
}

}  // namespace
}  // namespace millrace::redis
