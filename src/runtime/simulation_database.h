#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "event/batch_builder.h"
#include "event/position.h"
#include "event/schema.h"

namespace millrace::simulation {

/// Dice that fall the same way for the same seed, on every machine (splitmix64, Vigna 2015).
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
  }
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  bool chance(std::uint64_t per_mille) { return below(1000) < per_mille; }

 private:
  std::uint64_t state_;
};

/// What a table holds under a key.
struct Value {
  std::int64_t number = 0;
  bool poison = false;  ///< the target will never take it
  friend bool operator==(const Value&, const Value&) = default;
};
using TableKey = std::pair<std::uint32_t, std::int64_t>;
using Contents = std::map<TableKey, Value>;

struct Change {
  Op op = Op::kInsert;
  TableKey key;
  Value value;
};

struct Transaction {
  std::string commit;  ///< ordered as text
  std::uint64_t id = 0;
  std::int64_t commit_us = 0;
  std::vector<Change> changes;
};

/// The database behind the source: survives every crash of the program.
class Database {
 public:
  explicit Database(std::uint32_t tables);

  void commit_random(Dice& dice, std::int64_t now_us, std::size_t longest);
  [[nodiscard]] const std::vector<Transaction>& transactions() const { return transactions_; }
  /// Contents after the first `count` transactions.
  [[nodiscard]] Contents contents(std::size_t count) const;
  /// Number of transactions up to and with `commit`.
  [[nodiscard]] std::size_t index_after(const std::string& commit) const;
  [[nodiscard]] std::uint32_t tables() const { return static_cast<std::uint32_t>(schemas_.size()); }
  [[nodiscard]] const TableSchemaPtr& schema(std::uint32_t table) const { return schemas_[table]; }
  [[nodiscard]] static std::string topic(std::uint32_t table) {
    return "db.public.t" + std::to_string(table);
  }

  std::size_t slot_start = 0;  ///< transactions before the stream of the slot in use
  SourcePosition confirmed;    ///< what the slot was told: anything before may be forgotten

 private:
  std::vector<TableSchemaPtr> schemas_;
  std::vector<Transaction> transactions_;
};

/// Adds one row to the transaction opened last.
void add_change(BatchBuilder& out, const Database& database, const Change& change, std::uint32_t index);
[[nodiscard]] Change read_change(const Batch& batch, const Row& row);
/// What a target that takes every row but the poisoned (`skip_poison`) makes of the row.
void apply_change(Contents& contents, const Change& change, bool skip_poison);

/// True when `a` is not ahead of `b`.
[[nodiscard]] bool not_ahead(const SourcePosition& a, const SourcePosition& b);

}  // namespace millrace::simulation
