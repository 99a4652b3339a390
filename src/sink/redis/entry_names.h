#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connect/verify.h"
#include "sink/redis/target/table_plan.h"

namespace millrace::redis {

/// Whether every entry that such rows have is of one row only: where several may have one, that one of them
/// says of its entry that it is not to be there tells nothing.
[[nodiscard]] bool is_of_one_row(const TablePlan& plan);

/// Tells of which row of a table an entry of one output would be, by nothing but its place. Pure and
/// immutable.
class EntryNames {
 public:
  /// Of a plan without an error; the target may go.
  EntryNames(const Target& target, const TablePlan& plan);

  /// Not empty: no entry's row can be told, and which option is why.
  [[nodiscard]] std::string_view unfit() const { return unfit_; }
  /// Keys of the rows; in a document of others: keys of the documents.
  [[nodiscard]] const RowKey& keys() const { return *key_; }

  /// Of the entry at a key, and at a member of it (see Overlay::member), where rows share keys. Nothing: no
  /// row can have it.
  [[nodiscard]] std::optional<RowName> of(std::string_view key, std::string_view member) const;

  /// A row in a document.
  struct Found {
    std::string member;
    RowName name;
  };
  /// Of rows that nest: the path of the object in each document in which they lie.
  [[nodiscard]] std::string box_path() const;
  /// The rows in a document at `key`; `boxes`: what JSON.GET has answered for `box_path`.
  [[nodiscard]] std::vector<Found> in_document(std::string_view key, std::string_view boxes) const;

 private:
  [[nodiscard]] bool add(RowName& name, std::span<const std::uint16_t> columns,
                         std::span<const std::string> values) const;
  [[nodiscard]] std::optional<RowName> name_of(std::string_view key,
                                               const std::optional<std::vector<std::string>>& values) const;

  TableSchemaPtr schema_;
  std::optional<RowKey> key_;
  std::optional<RowText> member_;
  std::optional<RowNest> nest_;
  std::vector<std::uint16_t> member_columns_;  // of the values that a member tells
  std::string box_;
  std::string_view unfit_;
};

}  // namespace millrace::redis
