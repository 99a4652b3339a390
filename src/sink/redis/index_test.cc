#include "sink/redis/index.h"

#include <gtest/gtest.h>

namespace millrace::redis {
namespace {

IndexDefinition flights() {
  IndexDefinition index{"flights", "flight:", true, {}};
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
            "FT.CREATE flights ON JSON PREFIX 1 flight: SCHEMA '$.origin' AS origin TAG '$.delay' AS delay "
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
  EXPECT_EQ(health.fields, std::vector<std::string>{"delay"});
}

// A string where the index wants a number: no field counts it.
TEST(Index, FailuresThatNoFieldCountsAreCountedToo) {
  EXPECT_EQ(index_health(info(list({}), "flight:", "Invalid JSON type")).failures, 5);
}

}  // namespace
}  // namespace millrace::redis
