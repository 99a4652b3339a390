#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "connect/task_context.h"
#include "event/batch_builder.h"
#include "source/postgres/client.h"
#include "source/postgres/decoder.h"
#include "source/postgres/options.h"

namespace millrace::postgres {

/// Reads values that the stream left out from their tables, by key, and puts them into the batch at hand.
/// They are those of now, so they may be newer than the change. One thread; lives no longer than the context.
class Reselector {
 public:
  Reselector(const Settings& settings, TaskContext& context) : settings_(settings), context_(context) {}

  /// `rows` lie in `out`. Connects when it is first needed. Values of rows that are gone, and those that the
  /// server refuses to give, stay kUnchanged; the latter is an error if the settings say so.
  [[nodiscard]] Status fill_in(std::span<const UnsentRow> rows, BatchBuilder& out);

 private:
  /// Rows that miss the same columns of the same table.
  struct Group {
    const Table* table = nullptr;
    std::vector<std::uint16_t> columns;
    std::vector<const UnsentRow*> rows;
  };
  [[nodiscard]] std::vector<Group> group(std::span<const UnsentRow> rows);
  [[nodiscard]] bool takes(const Table& table, std::uint16_t column);
  [[nodiscard]] bool is_refused(const Table& table) const;
  [[nodiscard]] Status read(const Group& group, std::span<const UnsentRow* const> rows, BatchBuilder& out);
  [[nodiscard]] Result<QueryRows> query(const Group& group, std::span<const UnsentRow* const> rows);
  [[nodiscard]] Status refused(const Table& table, const Error& error);

  const Settings& settings_;
  TaskContext& context_;
  std::unique_ptr<Connection> connection_;
  ValueDecoder values_;
  std::map<std::pair<TableSchemaPtr, std::uint16_t>, bool> taken_;
  std::map<std::string, std::int64_t> refused_until_us_;  ///< by table
};

/// The statement that reads `columns` of the rows with these keys: the key's columns first, in its order.
/// `by_text`: keys are compared by their text, for types that have no equality within reach. Pure.
[[nodiscard]] std::string reselect_sql(const TableSchema& schema, std::span<const std::uint16_t> columns,
                                       std::span<const UnsentRow* const> rows, bool by_text);

}  // namespace millrace::postgres
