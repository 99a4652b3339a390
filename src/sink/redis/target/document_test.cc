#include "sink/redis/target/document.h"

#include <gtest/gtest.h>

#include "sink/redis/target/test_rows.h"

namespace millrace::redis {
namespace {

const auto kTable = test_schema("t", {"id", "a", "b", "c"});

/// The document of a row under a list of fields, or what was wrong.
std::string document(const std::vector<std::string>& items, const TestBatch::Cells& cells,
                     std::vector<std::string>* missing = nullptr) {
  const auto list = FieldList::parse(items, true);
  if (!list) return "list: " + list.error().message;
  std::vector<std::string> absent;
  const auto fields = list->resolve(*kTable, absent);
  if (!fields) return "table: " + fields.error().message;
  if (missing != nullptr) *missing = absent;
  const DocumentLayout layout(kTable, {}, *list, *fields);
  TestBatch batch;
  batch.insert(kTable, cells);
  const ReadBatch rows = batch.read(1);
  std::string out;
  const Status done = layout.append(out, {*rows.batch, rows.batch->row(0).after});
  return done ? out : "row: " + done.error().message;
}

TEST(Document, ColumnsInTheirOrderUnderTheirNames) {
  const TestBatch::Cells row = {1, "x", kNullCell, "z"};
  EXPECT_EQ(document({}, row), R"({"id":1,"a":"x","b":null,"c":"z"})");
  EXPECT_EQ(document({"c", "id"}, row), R"({"c":"z","id":1})");
  EXPECT_EQ(document({"*"}, row), R"({"id":1,"a":"x","b":null,"c":"z"})");
  EXPECT_EQ(document({"-b"}, row), R"({"id":1,"a":"x","c":"z"})");
  EXPECT_EQ(document({"c as first", "*", "-a"}, row), R"({"first":"z","id":1,"b":null})");
  EXPECT_EQ(document({"a as \"dot.ted\""}, row), R"({"dot.ted":"x"})");
}

TEST(Document, PathsMakeObjects) {
  const TestBatch::Cells row = {1, "x", kNullCell, "z"};
  EXPECT_EQ(document({"a as o.p.a", "id", "b as o.b", "c as o.p.c"}, row),
            R"({"o":{"p":{"a":"x","c":"z"},"b":null},"id":1})");
  EXPECT_EQ(document({"a as o.a"}, {1, kKept, 2, 3}), R"({"o":{}})")
      << "objects are there for what comes later";
}

TEST(Document, ObjectsAlone) {
  const auto list = FieldList::parse({"a as o.p.a", "id", "b as q.b"}, true);
  std::vector<std::string> missing;
  const DocumentLayout layout(kTable, {}, *list, *list->resolve(*kTable, missing));
  std::string out;
  layout.append_objects(out);
  EXPECT_EQ(out, R"({"o":{"p":{}},"q":{}})");
}

TEST(Document, WhatATableHasNotGotIsLeftOutAndNamed) {
  std::vector<std::string> missing;
  EXPECT_EQ(document({"id", "gone", "a"}, {1, "x", 2, 3}, &missing), R"({"id":1,"a":"x"})");
  EXPECT_EQ(missing, std::vector<std::string>{"gone"});
}

TEST(Document, WrongListsAreTold) {
  const TestBatch::Cells row = {1, "x", 2, 3};
  EXPECT_NE(document({"a as o", "b as o.x"}, row).find("in the way"), std::string::npos);
  EXPECT_NE(document({"a as id", "*"}, row).find("in the way"), std::string::npos);
  for (const char* item : {"", "a as", "a b", "-a as b", "\"a", "a as .x", "a as x..y", "a as x.", "-"})
    EXPECT_EQ(document({item}, row).substr(0, 5), "list:") << item;
}

TEST(Document, BadTextNamesItsColumn) {
  const std::string said = document({"id", "a as o.a"}, {1, "\xff", 2, 3});
  EXPECT_NE(said.find("column a "), std::string::npos) << said;
}

}  // namespace
}  // namespace millrace::redis
