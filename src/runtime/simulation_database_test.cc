#include "runtime/simulation_database.h"

#include <algorithm>
#include <cstdio>
#include <tuple>

namespace millrace::simulation {
namespace {

constexpr std::uint64_t kKeys = 12;
constexpr std::size_t kColumns = 3;

TableSchemaPtr make_schema(std::uint32_t table) {
  TableSchema schema;
  schema.id = table + 1;
  schema.schema = "public";
  schema.table = "t" + std::to_string(table);
  for (const char* name : {"id", "number", "poison"}) {
    ColumnSchema column;
    column.name = name;
    column.type = CellType::kInt64;
    schema.columns.push_back(column);
  }
  schema.key_columns = {0};
  return std::make_shared<const TableSchema>(std::move(schema));
}

std::string commit_name(std::size_t number) {
  char text[16];
  std::snprintf(text, sizeof(text), "%08zu", number);
  return text;
}

}  // namespace

Database::Database(std::uint32_t tables) {
  for (std::uint32_t i = 0; i < tables; ++i) schemas_.push_back(make_schema(i));
}

void Database::commit_random(Dice& dice, std::int64_t now_us, std::size_t longest) {
  Transaction transaction;
  transaction.commit = commit_name(transactions_.size() + 1);
  transaction.id = transactions_.size() + 1;
  transaction.commit_us = now_us;
  const std::size_t rows = dice.chance(150) ? 1 + dice.below(longest) : 1 + dice.below(3);
  for (std::size_t i = 0; i < rows; ++i) {
    Change change;
    change.key = {static_cast<std::uint32_t>(dice.below(tables())),
                  static_cast<std::int64_t>(dice.below(kKeys))};
    change.op = dice.chance(200) ? Op::kDelete : dice.chance(500) ? Op::kUpdate : Op::kInsert;
    if (change.op != Op::kDelete) {
      change.value = {static_cast<std::int64_t>(dice.below(1'000'000)), dice.chance(40)};
    }
    transaction.changes.push_back(change);
  }
  transactions_.push_back(std::move(transaction));
}

Contents Database::contents(std::size_t count) const {
  Contents out;
  for (std::size_t i = 0; i < count; ++i) {
    for (const Change& change : transactions_[i].changes) apply_change(out, change, false);
  }
  return out;
}

std::size_t Database::index_after(const std::string& commit) const {
  const auto after = std::ranges::upper_bound(transactions_, commit, {}, &Transaction::commit);
  return static_cast<std::size_t>(after - transactions_.begin());
}

void add_change(BatchBuilder& out, const Database& database, const Change& change, std::uint32_t index) {
  RowRecord row;
  row.op = change.op;
  row.schema = out.schema(database.schema(change.key.first));
  row.topic = out.topic(Database::topic(change.key.first));
  row.transaction = out.transaction();
  row.index = index;
  row.first_cell = out.add_cells(kColumns);
  (change.op == Op::kDelete ? row.before_count : row.after_count) = kColumns;
  const std::int64_t words[] = {change.key.second, change.value.number, change.value.poison ? 1 : 0};
  for (std::uint32_t i = 0; i < kColumns; ++i) {
    out.cell(row.first_cell + i) =
        BatchBuilder::put_word(CellType::kInt64, static_cast<std::uint64_t>(words[i]));
  }
  out.add_row(row);
}

Change read_change(const Batch& batch, const Row& row) {
  const auto cells = row.op == Op::kDelete ? row.before : row.after;
  Change change;
  change.op = row.op;
  change.key = {batch.schema(row).id - 1, static_cast<std::int64_t>(cells[0].word)};
  change.value = {static_cast<std::int64_t>(cells[1].word), cells[2].word != 0};
  return change;
}

void apply_change(Contents& contents, const Change& change, bool skip_poison) {
  if (change.op == Op::kDelete) {
    contents.erase(change.key);
  } else if (!skip_poison || !change.value.poison) {
    contents[change.key] = change.value;
  }
}

bool not_ahead(const SourcePosition& a, const SourcePosition& b) {
  return std::tie(a.epoch, a.commit, a.rows) <= std::tie(b.epoch, b.commit, b.rows);
}

}  // namespace millrace::simulation
