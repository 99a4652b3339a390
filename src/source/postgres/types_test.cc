#include "source/postgres/types.h"

#include <gtest/gtest.h>

namespace millrace::postgres {
namespace {

TypeFacts builtin(std::uint32_t oid, std::string_view name, std::uint32_t element = 0) {
  TypeFacts out;
  out.oid = oid;
  out.schema = "pg_catalog";
  out.name = name;
  out.element_oid = element;
  return out;
}

TypeFacts user(std::uint32_t oid, std::string_view name, char kind) {
  TypeFacts out = builtin(oid, name);
  out.schema = "public";
  out.kind = kind;
  return out;
}

TypeCatalog catalog() {
  TypeCatalog types;
  types.put(builtin(23, "int4"));
  types.put(builtin(1007, "_int4", 23));
  types.put(builtin(1700, "numeric"));
  types.put(builtin(1231, "_numeric", 1700));
  types.put(builtin(1043, "varchar"));
  types.put(builtin(1114, "timestamp"));
  types.put(builtin(1186, "interval"));
  types.put(builtin(25, "text"));
  TypeFacts box = builtin(603, "box");
  box.delimiter = ';';
  types.put(box);
  types.put(builtin(1020, "_box", 603));
  TypeFacts mood = user(20000, "mood", 'e');
  mood.labels = {"sad", "ok"};
  types.put(mood);
  TypeFacts moods = user(20001, "_mood", 'b');
  moods.element_oid = 20000;
  types.put(moods);
  TypeFacts price = user(20002, "price", 'd');
  price.base_oid = 1700;
  price.type_modifier = ((7 << 16) | 3) + 4;
  types.put(price);
  TypeFacts discount = user(20003, "discount", 'd');
  discount.base_oid = 20002;
  types.put(discount);
  TypeFacts hstore = user(20004, "hstore", 'b');
  hstore.of_extension = true;
  types.put(hstore);
  TypeFacts ints = user(20005, "ints", 'd');
  ints.base_oid = 1007;
  types.put(ints);
  return types;
}

TableLayout layout_of(const std::vector<RelationColumn>& columns, char identity = 'd',
                      const TableFacts* facts = nullptr) {
  Relation relation;
  relation.oid = 9;
  relation.schema = "public";
  relation.table = "t";
  relation.identity = identity;
  relation.columns = columns;
  return describe_table(relation, catalog(), facts, "shop");
}

ColumnSchema column_of(std::uint32_t oid, std::int32_t modifier = -1) {
  return layout_of({{false, "c", oid, modifier}}).schema.columns[0];
}

TEST(Types, Builtin) {
  const ColumnSchema c = column_of(1043, 14);
  EXPECT_EQ(c.type, CellType::kText);
  EXPECT_EQ(c.source_type, "varchar");
  EXPECT_EQ(c.base_type, "varchar");
  EXPECT_EQ(c.length, 10);
  EXPECT_EQ(c.source_type_id, 1043);
}

TEST(Types, NumericModifiers) {
  const ColumnSchema c = column_of(1700, ((10 << 16) | 2) + 4);
  EXPECT_EQ(c.length, 10);
  EXPECT_EQ(c.scale, 2);
  const ColumnSchema negative = column_of(1700, ((4 << 16) | (0x7FF & -2)) + 4);
  EXPECT_EQ(negative.length, 4);
  EXPECT_EQ(negative.scale, -2);
  EXPECT_EQ(column_of(1700).length, -1);
  EXPECT_EQ(column_of(1114, 3).scale, 3);
  EXPECT_EQ(column_of(1186, (0x7FFF << 16) | 2).scale, 2);
  EXPECT_EQ(column_of(1186, (0x0C00 << 16) | 0xFFFF).scale, -1);
}

TEST(Types, DomainsAreLookedThrough) {
  const ColumnSchema c = column_of(20003);
  EXPECT_EQ(c.type, CellType::kDecimal);
  EXPECT_EQ(c.source_type, "public.discount");
  EXPECT_EQ(c.base_type, "numeric");
  EXPECT_EQ(c.length, 7);
  EXPECT_EQ(c.scale, 3);
  const ColumnSchema ints = column_of(20005);
  EXPECT_EQ(ints.type, CellType::kArray);
  EXPECT_EQ(ints.element_type, CellType::kInt64);
  EXPECT_EQ(ints.base_type, "int4");
}

TEST(Types, ArraysEnumsAndExtensions) {
  const ColumnSchema numbers = column_of(1231, ((8 << 16) | 2) + 4);
  EXPECT_EQ(numbers.type, CellType::kArray);
  EXPECT_EQ(numbers.element_type, CellType::kDecimal);
  EXPECT_EQ(numbers.source_type, "_numeric");
  EXPECT_EQ(numbers.base_type, "numeric");
  EXPECT_EQ(numbers.scale, 2);
  const ColumnSchema moods = column_of(20001);
  EXPECT_EQ(moods.source_type, "public._mood");
  EXPECT_EQ(moods.allowed_values, (std::vector<std::string>{"sad", "ok"}));
  EXPECT_EQ(column_of(20004).source_type, "hstore");
  EXPECT_EQ(layout_of({{false, "c", 1020, -1}}).formats[0].delimiter, ';');
}

TEST(Types, UnknownTypesAreText) {
  const ColumnSchema c = column_of(99999);
  EXPECT_EQ(c.type, CellType::kText);
  EXPECT_EQ(c.source_type, "oid:99999");
}

TEST(Types, ADomainOverItselfEnds) {
  TypeCatalog types;
  TypeFacts loop = user(1, "loop", 'd');
  loop.base_oid = 1;
  types.put(loop);
  EXPECT_EQ(value_format(1, types).kind, ValueKind::kText);
  EXPECT_TRUE(types.missing(1).empty());
}

TableFacts facts_with_key(std::vector<std::string> key) {
  TableFacts out;
  out.columns = {
      {"a", 23, true, "7"}, {"b", 25, true, std::nullopt}, {"c", 23, false, "nextval('s'::regclass)"}};
  out.key = std::move(key);
  return out;
}

using Key = std::vector<std::uint16_t>;

TEST(Tables, TheCatalogAddsOnlyWhereItNamesTheSameColumn) {
  const TableFacts facts = facts_with_key({});
  const TableSchema schema =
      layout_of({{false, "a", 23, -1}, {false, "b", 23, -1}, {false, "c", 23, -1}}, 'd', &facts).schema;
  EXPECT_FALSE(schema.columns[0].optional);
  EXPECT_EQ(schema.columns[0].default_text, "7");
  EXPECT_TRUE(schema.columns[1].optional);  // of another type by now
  EXPECT_TRUE(schema.columns[2].optional);
  EXPECT_FALSE(schema.columns[2].default_text);
}

TEST(Tables, TheKeyIsTheReplicaIdentitys) {
  const std::vector<RelationColumn> columns = {
      {true, "a", 23, -1}, {true, "b", 25, -1}, {false, "c", 23, -1}};
  const TableFacts facts = facts_with_key({"b", "a"});
  EXPECT_EQ(layout_of(columns).schema.key_columns, (Key{0, 1}));
  EXPECT_EQ(layout_of(columns, 'd', &facts).schema.key_columns, (Key{1, 0}));  // in the key's order
  const TableFacts later = facts_with_key({"c"});
  EXPECT_EQ(layout_of(columns, 'd', &later).schema.key_columns, (Key{0, 1}));  // a key made since
  EXPECT_EQ(layout_of(columns, 'i', &later).schema.key_columns, (Key{0, 1}));
}

TEST(Tables, UnderFullTheKeyIsTheCatalogs) {
  const std::vector<RelationColumn> columns = {{true, "a", 23, -1}, {true, "b", 25, -1}};
  const TableFacts facts = facts_with_key({"a"});
  EXPECT_EQ(layout_of(columns, 'f', &facts).schema.key_columns, Key{0});
  EXPECT_TRUE(layout_of(columns, 'f').schema.key_columns.empty());
  const TableFacts later = facts_with_key({"a", "c"});
  EXPECT_TRUE(layout_of(columns, 'f', &later).schema.key_columns.empty());
}

TEST(Tables, ConstantDefaults) {
  const std::pair<std::string_view, std::optional<std::string>> cases[] = {
      {"7", "7"},
      {"1.50", "1.50"},
      {"(-1)", "-1"},
      {"'-1'::integer", "-1"},
      {"(5)::numeric", "5"},
      {"('-1'::integer)::numeric(10,2)", "-1"},
      {"'it''s'::text", "it's"},
      {"''::text", ""},
      {"true", "t"},
      {"false", "f"},
      {"'NaN'::double precision", "NaN"},
      {"'{\"a\": 1}'::jsonb", "{\"a\": 1}"},
      {"'{1,2}'::integer[]", "{1,2}"},
      {"'2024-01-01 10:00:00'::timestamp(3) without time zone", "2024-01-01 10:00:00"},
      {"'\\x01ff'::bytea", "\\x01ff"},
      {"B'101'::\"bit\"", "101"},
      {"'9000000000'::bigint", "9000000000"},
      {"'a'::public.mood", "a"},
      {"NULL::character varying", std::nullopt},
      {"now()", std::nullopt},
      {"gen_random_uuid()", std::nullopt},
      {"('x'::text || 'y'::text)", std::nullopt},
      {"nextval('s'::regclass)", std::nullopt},
      {"(a * 2)", std::nullopt},
      {"'open", std::nullopt},
      {"(1", std::nullopt},
      {"", std::nullopt},
      {"CURRENT_TIMESTAMP", std::nullopt},
  };
  for (const auto& [expression, expected] : cases)
    EXPECT_EQ(constant_default(expression), expected) << expression;
}

TEST(Tables, SameShapeIgnoresTheNumber) {
  TableSchema a = layout_of({{true, "a", 23, -1}}).schema;
  TableSchema b = a;
  b.id = 7;
  EXPECT_TRUE(same_shape(a, b));
  b.columns[0].length = 3;
  EXPECT_FALSE(same_shape(a, b));
}

TEST(Tables, Quoting) {
  EXPECT_EQ(quote_table("My \"S\"", "t"), "\"My \"\"S\"\"\".\"t\"");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
}

TEST(PlainTextLiteral, FormsThatTheServerTakes) {
  EXPECT_EQ(plain_text_literal(CellType::kText, "-it's"), "'-it''s'");
  EXPECT_EQ(plain_text_literal(CellType::kBytes, "/w=="), "decode('/w==', 'base64')");
  EXPECT_EQ(plain_text_literal(CellType::kDate, "2024-02-29"), "'2024-02-29'");
  EXPECT_EQ(plain_text_literal(CellType::kDate, "-0043-03-15"), "'0044-03-15 BC'");
  EXPECT_EQ(plain_text_literal(CellType::kDate, "0000-12-31"), "'0001-12-31 BC'");
  EXPECT_EQ(plain_text_literal(CellType::kDate, "+12024-01-01"), "'12024-01-01'");
  EXPECT_EQ(plain_text_literal(CellType::kDate, "-infinity"), "'-infinity'");
  EXPECT_EQ(plain_text_literal(CellType::kDate, "infinity"), "'infinity'");
  EXPECT_EQ(plain_text_literal(CellType::kDate, "no date"), "'no date'");
  EXPECT_EQ(plain_text_literal(CellType::kTimestamp, "-4712-01-01T10:00:00.5"), "'4713-01-01T10:00:00.5 BC'");
  EXPECT_EQ(plain_text_literal(CellType::kTimestampTz, "-0001-01-01T10:00:00Z"), "'0002-01-01T10:00:00Z BC'");
}

}  // namespace
}  // namespace millrace::postgres
