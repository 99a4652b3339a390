#include "source/postgres/reselect.h"

#include <gtest/gtest.h>

namespace millrace::postgres {
namespace {

TEST(ReselectSql, QuotesNamesAndKeys) {
  TableSchema schema;
  schema.schema = "public";
  schema.table = "Odd \"name\"";
  for (const char* name : {"a", "B", "big"}) {
    ColumnSchema column;
    column.name = name;
    schema.columns.push_back(column);
  }
  schema.key_columns = {0, 1};
  UnsentRow one;
  one.key = {"1", "it's"};
  UnsentRow two;
  two.key = {"2", "\\"};
  const std::vector<const UnsentRow*> rows = {&one, &two};
  const std::vector<std::uint16_t> columns = {2};
  EXPECT_EQ(reselect_sql(schema, columns, rows, false),
            "SELECT \"a\", \"B\", \"big\" FROM \"public\".\"Odd \"\"name\"\"\" WHERE (\"a\", \"B\") IN "
            "(('1', 'it''s'), ('2', " +
                quote_literal("\\") + "))");
  EXPECT_NE(reselect_sql(schema, columns, rows, true).find("(\"a\"::text COLLATE \"C\", "),
            std::string::npos);
}

}  // namespace
}  // namespace millrace::postgres
