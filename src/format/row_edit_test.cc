#include "format/row_edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/row_json.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ColumnSchema column(const char* name, CellType type) {
  ColumnSchema out;
  out.name = name;
  out.type = type;
  out.source_type = "t";
  return out;
}

/// One row of all types, all NULL, with a column for each.
class RowEditTest : public testing::Test {
 protected:
  RowEditTest() {
    auto schema = std::make_shared<TableSchema>();
    schema->id = 1;
    schema->table = "all";
    for (const auto& [name, type] :
         std::vector<std::pair<const char*, CellType>>{{"id", CellType::kInt64},
                                                       {"u", CellType::kUint64},
                                                       {"f", CellType::kFloat64},
                                                       {"flag", CellType::kBool},
                                                       {"dec", CellType::kDecimal},
                                                       {"txt", CellType::kText},
                                                       {"bin", CellType::kBytes},
                                                       {"bits", CellType::kBits},
                                                       {"d", CellType::kDate},
                                                       {"t", CellType::kTime},
                                                       {"ts", CellType::kTimestamp},
                                                       {"tstz", CellType::kTimestampTz},
                                                       {"ttz", CellType::kTimeTz},
                                                       {"iv", CellType::kInterval},
                                                       {"uid", CellType::kUuid},
                                                       {"js", CellType::kJson},
                                                       {"arr", CellType::kArray},
                                                       {"mood", CellType::kText},
                                                       {"row", CellType::kStruct}}) {
      schema->columns.push_back(column(name, type));
    }
    schema->columns[0].optional = false;
    schema->columns[16].element_type = CellType::kDecimal;
    schema->columns[17].allowed_values = {"sad", "glad"};
    schema_ = schema;
    batch_ = row(Op::kInsert);
  }
  BatchPtr row(Op op) const {
    BatchBuilder builder;
    builder.begin_transaction("c", 1, 1);
    RowRecord record;
    record.op = op;
    record.schema = builder.schema(schema_);
    record.topic = builder.topic("shop.all");
    record.transaction = builder.transaction();
    const auto columns = static_cast<std::uint16_t>(schema_->columns.size());
    (op == Op::kDelete ? record.before_count : record.after_count) = columns;
    record.first_cell = builder.add_cells(columns);
    builder.cell(record.first_cell) = BatchBuilder::put_word(CellType::kInt64, 7);
    builder.add_row(record);
    builder.end_transaction();
    return builder.seal();
  }
  /// The row after the edit, as it is shown.
  std::string edited(const std::string& json) const {
    const auto out = edit_row(*batch_, 0, json);
    if (!out) return "error: " + out.error().message + "; " + out.error().hint;
    std::string text;
    EXPECT_TRUE(RowJsonWriter(schema_, {}).append(text, *out->batch, out->batch->row(0).after));
    return text;
  }

  TableSchemaPtr schema_;
  BatchPtr batch_;
};

TEST_F(RowEditTest, TakesEachTypeInTheFormItIsShownIn) {
  for (const char* member : {R"("id":-9223372036854775808)",
                             R"("u":18446744073709551615)",
                             R"("f":-1.5e+300)",
                             R"("f":"NaN")",
                             R"("flag":true)",
                             R"("dec":"-12345678901234567890.500")",
                             R"("dec":"NaN")",
                             R"("txt":"a \"b\" ä")",
                             R"("bin":"AAEC/w==")",
                             R"("bin":"")",
                             R"("bits":"0101")",
                             R"("d":"2024-02-29")",
                             R"("d":"infinity")",
                             R"("t":"13:45:59.123456")",
                             R"("ts":"2024-02-29T13:45:59")",
                             R"("ts":"-infinity")",
                             R"("tstz":"2024-02-29T13:45:59.000001Z")",
                             R"("ttz":"13:45:59-05:30")",
                             R"("iv":"P1Y2M3DT4H5M6.789S")",
                             R"("uid":"11111111-2222-3333-4444-555555555555")",
                             R"("js":{"n":12345678901234567890.123456789,"a":[1,{"x":null}]})",
                             R"("js":[123456789012345678901234567890])",
                             R"("f":-888888888888888918016)",
                             R"("js":"text")",
                             R"("arr":[])",
                             R"("arr":["1.50",null,"2"])",
                             R"("arr":[["1","2"],["3","4"]])",
                             R"("mood":"glad")",
                             R"("txt":null)"}) {
    const std::string name = std::string(member).substr(0, std::string(member).find(':') + 1);
    EXPECT_THAT(edited("{" + std::string(member) + "}"), HasSubstr(member));
  }
  EXPECT_THAT(edited(R"({ "dec" : 1.50 , "id" : 8 })"), HasSubstr(R"({"id":8,"u":null)"));
  EXPECT_EQ(edit_row(*batch_, 0, R"({"id":8,"txt":"x"})")->columns, "id,txt");
}

TEST_F(RowEditTest, SaysWhatAColumnTakesWithoutTheValue) {
  for (const auto& [json, words] : std::vector<std::pair<const char*, const char*>>{
           {R"({"id":"sesame"})", "column id is of type t and takes a whole number"},
           {R"({"id":1.5})", "whole number"},
           {R"({"id":9223372036854775808})", "whole number"},
           {R"({"id":null})", "column id does not take NULL"},
           {R"({"u":-1})", "whole number"},
           {R"({"f":"sesame"})", "NaN"},
           {R"({"flag":1})", "true or false"},
           {R"({"dec":"sesame"})", "decimal"},
           {R"({"txt":5})", "a string"},
           {R"({"bin":"sesame"})", "base64"},
           {R"({"bits":"sesame"})", "0 and 1"},
           {R"({"d":"sesame"})", "a date such as"},
           {R"({"tstz":"2024-02-29T13:45:59"})", "59Z"},
           {R"({"uid":"sesame"})", "a uuid"},
           {R"({"iv":"sesame"})", "P1DT2H"},
           {R"({"arr":"sesame"})", "an array of such values: a decimal"},
           {R"({"arr":["1",true]})", "an array"},
           {R"({"arr":[[[[[[[[["1"]]]]]]]]]})", "an array"},
           {R"({"mood":"sesame"})", "one of the values of its type"},
           {R"({"row":["sesame"]})", "nothing that can be edited"},
           {R"({"txtt":"sesame"})", "table all has no column txtt; did you mean txt?"},
           {R"({})", "no column is named"},
           {R"(["sesame"])", "expected a JSON object"},
           {R"({"txt":"sesame")", "expected a JSON object"}}) {
    EXPECT_THAT(edited(json), HasSubstr(words)) << json;
    EXPECT_THAT(edited(json), Not(HasSubstr("sesame"))) << json;
  }
  EXPECT_THAT(edit_row(*row(Op::kDelete), 0, R"({"id":1})").error().message, HasSubstr("no values to edit"));
}

TEST(JsonValue, TakesObjectsAndArraysApart) {
  const auto object = parse_json_object(
      R"( { "a" : 1.50 , "b\u00e4" : "x\ny" , "c" : [ 1 , 2 ] , "d" : { "e" : [] } , "f" : true , "g" : null } )");
  ASSERT_TRUE(object);
  EXPECT_EQ(object->find("a")->raw, "1.50");
  EXPECT_EQ(object->text("b\xC3\xA4"), "x\ny");
  EXPECT_EQ(object->find("c")->raw, "[ 1 , 2 ]");
  EXPECT_EQ(object->find("d")->raw, R"({ "e" : [] })");
  EXPECT_TRUE(object->truth("f"));
  EXPECT_EQ(object->find("g")->kind, JsonValue::Kind::kNull);
  EXPECT_EQ(object->find("h"), nullptr);
  EXPECT_EQ(object->integer("a", -1), -1);
  const auto array = parse_json_array(R"([[], {"x":[1]}, "s", -7])");
  ASSERT_TRUE(array);
  ASSERT_EQ(array->size(), 4U);
  EXPECT_EQ(array->at(1).raw, R"({"x":[1]})");
  EXPECT_EQ(array->at(3).raw, "-7");
  for (const char* wrong : {"", "{", "[1,]", "{}x", "{\"a\":}", "nul", "{\"a\":[}", "\"\xFF\""}) {
    EXPECT_FALSE(parse_json_object(wrong)) << wrong;
    EXPECT_FALSE(parse_json_array(wrong)) << wrong;
  }
  EXPECT_FALSE(parse_json_object("[]"));
  EXPECT_FALSE(parse_json_array("{}"));
}

}  // namespace
}  // namespace millrace
