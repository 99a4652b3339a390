#include "sink/redis/target/key_template.h"

#include <gtest/gtest.h>

#include <map>

#include "sink/redis/target/test_rows.h"

namespace millrace::redis {
namespace {

/// The key of a row of table `table` (columns a, b; both key), or the error.
std::string key_of(std::string_view text, const TestBatch::Cells& cells, std::string_view table = "t") {
  auto key_template = KeyTemplate::parse(text);
  if (!key_template) return "template: " + key_template.error().message;
  const auto schema = test_schema(table, {"a", "b"}, 2);
  auto key = RowKey::make(*key_template, "shop.public.t", *schema);
  if (!key) return "table: " + key.error().message;
  const ReadBatch rows = TestBatch().insert(schema, cells).read(1);
  std::string out;
  if (auto error = key->append(out, *rows.batch, rows.batch->row(0).after)) return "row: " + *error;
  return out;
}

TEST(KeyTemplate, Forms) {
  EXPECT_EQ(key_of("", {1, "x"}), "t:a:1:b:x");
  EXPECT_EQ(key_of("flight:{a}", {42, "x"}), "flight:42");
  EXPECT_EQ(key_of("{table}/{b}/{a}", {1, "x"}), "t/x/1");
  EXPECT_EQ(key_of("{topic}:{column:a}.json", {1, "x"}), "shop.public.t:1.json");
  EXPECT_EQ(key_of("{{{schema}}}:{a}", {1, "x"}), "{public}:1");
}

TEST(KeyTemplate, RefusesWhatCouldMixRowsUp) {
  for (const char* bad : {"fixed", "{a}", "k:{a}{b}", "k:{a}1{b}", "k:{a}%{b}", "k:{a", "k:a}", "k:{}",
                          "millrace:{a}", "k:{column:}"}) {
    EXPECT_EQ(key_of(bad, {1, "x"}).substr(0, 10), "template: ") << bad;
  }
  EXPECT_EQ(key_of("k:{c}", {1, "x"}).substr(0, 7), "table: ");
  EXPECT_EQ(key_of("k:{b}", {1, kNullCell}).substr(0, 5), "row: ");
  EXPECT_EQ(key_of("k:{b}", {1, kKept}).substr(0, 5), "row: ");
}

TEST(KeyTemplate, NoTwoRowsShareAKey) {
  const std::vector<std::string> parts = {"",   ":",  "::",  "%",   "%3A", "3A", "x",
                                          "x:", ":x", "x:x", "%25", "a:b", "b:"};
  for (const char* text :
       {"", "k:{a}:{b}", "k:{a}::{b}", "k:{a}x{b}", "{table}:{a}:{b}", "k:{b}:b:{a}", "k:{a}:{b}:"}) {
    std::map<std::string, std::string> seen;
    for (const std::string& a : parts) {
      for (const std::string& b : parts) {
        for (const char* table : {"t", "t:t"}) {
          if (std::string_view(table) != "t" &&
              std::string_view(text).find("table") == std::string_view::npos)
            continue;
          const auto [other, added] = seen.emplace(key_of(text, {a, b}, table), a + " and " + b);
          EXPECT_TRUE(added) << text << ": " << a << " and " << b << " as " << other->second << ": "
                             << other->first;
        }
      }
    }
  }
}

TEST(KeyTemplate, TableWithoutKeyIsRefusedByTheDefaultOnly) {
  const auto schema = test_schema("t", {"a"}, 0);
  const auto refused = RowKey::make(KeyTemplate(), "x", *schema);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().next, Next::kReject);
  EXPECT_NE(refused.error().message.find("public.t"), std::string::npos);
  const auto taken = RowKey::make(*KeyTemplate::parse("k:{a}"), "x", *schema);
  ASSERT_TRUE(taken);
  EXPECT_FALSE(taken->within_table_key());
}

TEST(KeyTemplate, PatternMatchesTheTopicsKeysOnly) {
  const auto schema = test_schema("t*[x", {"a", "b"}, 2);
  EXPECT_EQ(RowKey::make(KeyTemplate(), "x", *schema)->pattern(), "t\\*\\[x:a:*:b:*");
  EXPECT_EQ(RowKey::make(*KeyTemplate::parse("f?:{a}:x"), "x", *schema)->pattern(), "f\\?:*:x");
}

TEST(KeyTemplate, KeysOfOthersThatThePatternFindsAreToldApart) {
  auto schema = std::make_shared<TableSchema>(*test_schema("orders", {"id"}));
  schema->columns[0].type = CellType::kInt64;
  const auto by_default = *RowKey::make(KeyTemplate(), "x", *schema);
  EXPECT_TRUE(by_default.matches("orders:id:-5"));
  for (const char* other : {"orders:id:5:line:2", "orders:id:", "orders:id:x", "orders:id", "order:id:5"})
    EXPECT_FALSE(by_default.matches(other)) << other;
  const auto user = *RowKey::make(*KeyTemplate::parse("user:{id}"), "x", *schema);
  EXPECT_TRUE(user.matches("user:5"));
  EXPECT_FALSE(user.matches("user:5:orders"));
  const auto named = *RowKey::make(*KeyTemplate::parse("{table}:{id}/{table}:end"), "x", *schema);
  EXPECT_TRUE(named.matches("orders:5/orders:end"));
  EXPECT_FALSE(named.matches("orders:5/orders:end:end"));
  schema->columns[0].type = CellType::kText;
  const auto text = *RowKey::make(KeyTemplate(), "x", *schema);
  EXPECT_TRUE(text.matches("orders:id:a%3Ab"));
  EXPECT_FALSE(text.matches("orders:id:a%3b"));
  EXPECT_FALSE(text.matches("orders:id:a:b"));
  EXPECT_FALSE(text.same_keys(by_default));
}

}  // namespace
}  // namespace millrace::redis
