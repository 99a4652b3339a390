#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/batch_builder.h"
#include "source/postgres/catalog.h"
#include "source/postgres/client.h"
#include "source/postgres/copy_text.h"
#include "source/postgres/options.h"
#include "source/postgres/values.h"

namespace millrace::postgres {

/// A captured table as the publication publishes it.
struct PublishedTable {
  std::string schema;
  std::string table;
  std::uint32_t oid = 0;
  bool partitioned = false;
  char identity = 'd';
  bool published = true;   ///< false: it will be, with all its columns
  std::string row_filter;  ///< of the publication (15 and later)
  std::int64_t estimated_rows = -1;

  [[nodiscard]] std::string name() const { return schema + "." + table; }
};

/// Those that the settings' filter captures, in order of name.
[[nodiscard]] Result<std::vector<PublishedTable>> list_published(Connection& connection,
                                                                 const Settings& settings);

/// Turns the rows of one table into a batch's: as the stream would describe it, read by COPY in text form.
/// One thread.
class TableRows {
 public:
  /// Asks the server for the columns that are published.
  [[nodiscard]] static Result<TableRows> describe(Connection& connection, Catalog& catalog,
                                                  const Settings& settings, const PublishedTable& source);

  /// `SELECT columns FROM table`, with the publication's row filter behind WHERE, or `true` there.
  [[nodiscard]] std::string select() const;
  [[nodiscard]] const Table& table() const { return *table_; }

  /// What all rows of a COPY have in common.
  struct Origin {
    std::uint64_t source_offset = 0;
  };
  /// Takes a line of COPY as the table's next row into the transaction open in `out`. `unparsed` gets the
  /// columns whose values could not be read as their type, each once.
  [[nodiscard]] Status put(std::string_view line, const Origin& origin, BatchBuilder& out,
                           std::vector<std::size_t>& unparsed);
  /// Of the line put last; nothing for NULL.
  [[nodiscard]] const std::vector<CopyField>& fields() const { return reader_.fields(); }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

 private:
  std::string name_;
  std::string from_;
  std::string columns_;
  TablePtr table_;
  std::uint64_t rows_ = 0;
  std::set<std::size_t> told_;
  CopyTextReader reader_;
  ValueDecoder values_;
};

}  // namespace millrace::postgres
