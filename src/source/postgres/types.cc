#include "source/postgres/types.h"

#include <algorithm>

#include "base/text.h"

namespace millrace::postgres {
namespace {

/// Domains over domains, and arrays of those: a chain longer than this is cut.
constexpr int kMaxTypeChain = 32;
constexpr std::int32_t kVariableHeader = 4;  // VARHDRSZ: varchar and numeric add it to their modifier

// Oids of pg_catalog's types are fixed for all versions (pg_type.dat).
namespace oid {
constexpr std::uint32_t kBool = 16;
constexpr std::uint32_t kBytea = 17;
constexpr std::uint32_t kInt8 = 20;
constexpr std::uint32_t kInt2 = 21;
constexpr std::uint32_t kInt4 = 23;
constexpr std::uint32_t kOid = 26;
constexpr std::uint32_t kJson = 114;
constexpr std::uint32_t kFloat4 = 700;
constexpr std::uint32_t kFloat8 = 701;
constexpr std::uint32_t kMoney = 790;
constexpr std::uint32_t kBpchar = 1042;
constexpr std::uint32_t kVarchar = 1043;
constexpr std::uint32_t kDate = 1082;
constexpr std::uint32_t kTime = 1083;
constexpr std::uint32_t kTimestamp = 1114;
constexpr std::uint32_t kTimestampTz = 1184;
constexpr std::uint32_t kInterval = 1186;
constexpr std::uint32_t kTimeTz = 1266;
constexpr std::uint32_t kBit = 1560;
constexpr std::uint32_t kVarbit = 1562;
constexpr std::uint32_t kNumeric = 1700;
constexpr std::uint32_t kUuid = 2950;
constexpr std::uint32_t kJsonb = 3802;
}  // namespace oid

ValueKind kind_of(std::uint32_t type_oid) {
  switch (type_oid) {
    case oid::kBool:
      return ValueKind::kBool;
    case oid::kBytea:
      return ValueKind::kBytea;
    case oid::kInt2:
    case oid::kInt4:
    case oid::kInt8:
    case oid::kOid:
      return ValueKind::kInteger;
    case oid::kFloat4:
    case oid::kFloat8:
      return ValueKind::kFloat;
    case oid::kNumeric:
      return ValueKind::kNumeric;
    case oid::kMoney:
      return ValueKind::kMoney;
    case oid::kJson:
    case oid::kJsonb:
      return ValueKind::kJson;
    case oid::kBit:
    case oid::kVarbit:
      return ValueKind::kBits;
    case oid::kDate:
      return ValueKind::kDate;
    case oid::kTime:
      return ValueKind::kTime;
    case oid::kTimeTz:
      return ValueKind::kTimeTz;
    case oid::kTimestamp:
      return ValueKind::kTimestamp;
    case oid::kTimestampTz:
      return ValueKind::kTimestampTz;
    case oid::kInterval:
      return ValueKind::kInterval;
    case oid::kUuid:
      return ValueKind::kUuid;
    default:
      return ValueKind::kText;
  }
}

/// A type with domains looked through, and the modifier that then holds.
struct Resolved {
  std::uint32_t oid = 0;
  std::int32_t type_modifier = -1;
  const TypeFacts* facts = nullptr;
};

Resolved look_through(std::uint32_t type_oid, std::int32_t type_modifier, const TypeCatalog& types) {
  Resolved out{type_oid, type_modifier, types.find(type_oid)};
  for (int i = 0; i < kMaxTypeChain && out.facts != nullptr && out.facts->kind == 'd'; ++i) {
    if (out.type_modifier < 0) out.type_modifier = out.facts->type_modifier;
    out.oid = out.facts->base_oid;
    out.facts = types.find(out.oid);
  }
  return out;
}

std::string type_name(std::uint32_t type_oid, const TypeFacts* facts) {
  if (facts == nullptr) return "oid:" + std::to_string(type_oid);
  if (facts->schema == "pg_catalog" || facts->of_extension) return facts->name;
  return facts->schema + "." + facts->name;
}

void set_size(const Resolved& type, ColumnSchema& column) {
  const std::int32_t modifier = type.type_modifier;
  if (modifier < 0) return;
  switch (type.oid) {
    case oid::kVarchar:
    case oid::kBpchar:
      column.length = modifier - kVariableHeader;
      break;
    case oid::kBit:
    case oid::kVarbit:
      column.length = modifier;
      break;
    case oid::kNumeric: {
      const auto packed = static_cast<std::uint32_t>(modifier - kVariableHeader);
      column.length = static_cast<std::int32_t>((packed >> 16U) & 0xFFFFU);
      // 11 bits with a sign since version 15; before that the scale was never negative.
      column.scale = static_cast<std::int32_t>((packed & 0x7FFU) ^ 1024U) - 1024;
      break;
    }
    case oid::kTime:
    case oid::kTimeTz:
    case oid::kTimestamp:
    case oid::kTimestampTz:
      column.scale = modifier;
      break;
    case oid::kInterval:
      if ((modifier & 0xFFFF) != 0xFFFF) column.scale = modifier & 0xFFFF;
      break;
    default:
      break;
  }
}

ColumnSchema describe_column(const RelationColumn& column, const TypeCatalog& types,
                             const ValueFormat& format) {
  ColumnSchema out;
  out.name = column.name;
  out.source_type_id = column.type_oid;
  out.source_type = type_name(column.type_oid, types.find(column.type_oid));
  out.type = cell_type(format.kind);
  Resolved type = look_through(column.type_oid, column.type_modifier, types);
  if (type.facts != nullptr && type.facts->element_oid != 0) {
    out.element_type = cell_type(format.element);
    type = look_through(type.facts->element_oid, type.type_modifier, types);
  }
  out.base_type = type_name(type.oid, type.facts);
  if (type.facts != nullptr) out.allowed_values = type.facts->labels;
  set_size(type, out);
  return out;
}

const TableFacts::Column* find_fact(const TableFacts* facts, std::string_view name, std::uint32_t type_oid) {
  if (facts == nullptr) return nullptr;
  const auto found =
      std::find_if(facts->columns.begin(), facts->columns.end(),
                   [&](const TableFacts::Column& c) { return c.name == name && c.type_oid == type_oid; });
  return found == facts->columns.end() ? nullptr : &*found;
}

/// The catalog's key as indexes into the columns; empty unless the table has all of them.
std::vector<std::uint16_t> catalog_key(const TableSchema& schema, const TableFacts* facts) {
  std::vector<std::uint16_t> out;
  if (facts == nullptr) return out;
  for (const std::string& name : facts->key) {
    const auto column = find_column(schema, name);
    if (!column) return {};
    out.push_back(*column);
  }
  return out;
}

std::vector<std::uint16_t> choose_key(const TableLayout& layout, const TableFacts* facts) {
  std::vector<std::uint16_t> from_catalog = catalog_key(layout.schema, facts);
  if (layout.schema.identity == RowIdentity::kFull || layout.schema.identity == RowIdentity::kNothing) {
    return from_catalog;
  }
  std::vector<std::uint16_t> out;
  for (std::size_t i = 0; i < layout.in_identity.size(); ++i) {
    if (layout.in_identity[i]) out.push_back(static_cast<std::uint16_t>(i));
  }
  if (out.empty()) return from_catalog;
  std::vector<std::uint16_t> sorted = from_catalog;
  std::sort(sorted.begin(), sorted.end());
  return sorted == out ? from_catalog : out;  // the same columns: in the order of the key
}

RowIdentity identity_of(char letter) {
  switch (letter) {
    case 'f':
      return RowIdentity::kFull;
    case 'i':
      return RowIdentity::kIndex;
    case 'n':
      return RowIdentity::kNothing;
    default:
      return RowIdentity::kDefault;
  }
}

/// Reads `'...'` with doubled quotes off the front.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string out;
  std::size_t at = 1;
  while (at < text.size()) {
    if (text[at] == '\'') {
      if (at + 1 == text.size() || text[at + 1] != '\'') {
        text.remove_prefix(at + 1);
        return out;
      }
      ++at;
    }
    out.push_back(text[at++]);
  }
  return std::nullopt;
}

/// True when `text` is nothing, or casts only: `::numeric(10,2)`, `::"bit"`, `::timestamp without time zone`,
/// `::text[]`.
bool only_casts(std::string_view text) {
  if (text.empty()) return true;
  if (!text.starts_with("::")) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_\"$ .,:()[]").find(c) != std::string_view::npos;
  });
}

}  // namespace

void TypeCatalog::put(TypeFacts facts) {
  const std::uint32_t key = facts.oid;
  types_.insert_or_assign(key, std::move(facts));
}

const TypeFacts* TypeCatalog::find(std::uint32_t oid) const {
  const auto found = types_.find(oid);
  return found == types_.end() ? nullptr : &found->second;
}

std::vector<std::uint32_t> TypeCatalog::missing(std::uint32_t oid) const {
  for (int i = 0; i < kMaxTypeChain && oid != 0; ++i) {
    const TypeFacts* facts = find(oid);
    if (facts == nullptr) return {oid};
    oid = facts->kind == 'd' ? facts->base_oid : facts->element_oid;
  }
  return {};
}

void TypeCatalog::forget_user_types() {
  std::erase_if(types_, [](const auto& entry) { return entry.second.schema != "pg_catalog"; });
}

ValueFormat value_format(std::uint32_t type_oid, const TypeCatalog& types) {
  const Resolved type = look_through(type_oid, -1, types);
  if (type.facts == nullptr || type.facts->element_oid == 0)
    return {kind_of(type.oid), ValueKind::kText, ','};
  const TypeFacts* element = types.find(type.facts->element_oid);
  const Resolved inner = look_through(type.facts->element_oid, -1, types);
  // An array of a domain over an array reads as an array of texts: its elements are whole arrays in quotes.
  const bool nested = inner.facts != nullptr && inner.facts->element_oid != 0;
  return {ValueKind::kArray, nested ? ValueKind::kText : kind_of(inner.oid),
          element == nullptr ? ',' : element->delimiter};
}

TableLayout describe_table(const Relation& relation, const TypeCatalog& types, const TableFacts* facts,
                           std::string_view database) {
  TableLayout out;
  TableSchema& schema = out.schema;
  schema.database = database;
  schema.schema = relation.schema;
  schema.table = relation.table;
  schema.source_table_id = relation.oid;
  schema.identity = identity_of(relation.identity);
  schema.columns.reserve(relation.columns.size());
  for (const RelationColumn& column : relation.columns) {
    const ValueFormat format = value_format(column.type_oid, types);
    ColumnSchema described = describe_column(column, types, format);
    if (const TableFacts::Column* fact = find_fact(facts, column.name, column.type_oid)) {
      described.optional = !fact->not_null;
      if (fact->default_expression) described.default_text = constant_default(*fact->default_expression);
    }
    schema.columns.push_back(std::move(described));
    out.formats.push_back(format);
    out.in_identity.push_back(column.in_identity);
  }
  schema.key_columns = choose_key(out, facts);
  return out;
}

std::optional<std::string> constant_default(std::string_view expression) {
  // A literal may stand in brackets of its own: `(5)::numeric`, `(-1)`, `('-1'::integer)::numeric`.
  int open = 0;
  while (expression.starts_with('(')) {
    expression.remove_prefix(1);
    ++open;
  }
  std::string out;
  if (expression.starts_with("B'")) expression.remove_prefix(1);
  if (expression.starts_with('\'')) {
    auto quoted = take_quoted(expression);
    if (!quoted) return std::nullopt;
    out = std::move(*quoted);
  } else {
    const std::size_t end = std::min(expression.find_first_of(":) "), expression.size());
    const std::string_view word = expression.substr(0, end);
    expression.remove_prefix(end);
    if (word == "true" || word == "false") {
      out = word.substr(0, 1);
    } else if (is_numeric(word) && word != "NaN") {
      out = word;
    } else {
      return std::nullopt;
    }
  }
  for (; open > 0; --open) {
    const std::size_t close = expression.find(')');
    if (close == std::string_view::npos) return std::nullopt;
    // A bracket inside a cast (`::numeric(10,2)`) closes itself.
    const std::string_view inside = expression.substr(0, close);
    if (inside.find('(') != std::string_view::npos || !only_casts(inside)) return std::nullopt;
    expression.remove_prefix(close + 1);
  }
  if (!only_casts(expression)) return std::nullopt;
  return out;
}

bool same_shape(const TableSchema& a, const TableSchema& b) {
  return a.database == b.database && a.schema == b.schema && a.table == b.table &&
         a.source_table_id == b.source_table_id && a.identity == b.identity &&
         a.key_columns == b.key_columns && a.columns == b.columns;
}

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  return out + '"';
}

std::string quote_table(std::string_view schema, std::string_view table) {
  return quote_identifier(schema) + "." + quote_identifier(table);
}

std::string quote_literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out.push_back('\'');
    out.push_back(c);
  }
  return out + "'";
}

namespace {

/// `-0043-03-15T...` -> `0044-03-15T... BC`, `+12024-01-01` -> `12024-01-01`: by ISO 8601 there is a year 0.
std::string date_of_era(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto found = parse_int64(text.substr(0, digits));
  if (!found) return std::string(text);  // infinity, or none
  const std::int64_t year = *found;
  if (!negative && year > 0) return std::string(text);
  std::string out = std::to_string(year + 1);
  out.insert(0, 4 - std::min<std::size_t>(out.size(), 4), '0');
  return out.append(text.substr(digits)).append(" BC");
}

}  // namespace

std::string plain_text_literal(CellType type, std::string_view text) {
  switch (type) {
    case CellType::kBytes:
      return "decode(" + quote_literal(text) + ", 'base64')";
    case CellType::kDate:
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
      return quote_literal(text == "-infinity" ? text : date_of_era(text));
    default:
      return quote_literal(text);
  }
}

}  // namespace millrace::postgres
