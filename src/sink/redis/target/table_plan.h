#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/batch.h"
#include "sink/redis/target/document.h"
#include "sink/redis/target/target.h"

namespace millrace::redis {

/// When a field of a hash goes by itself.
struct FieldEnd {
  std::string name;                     ///< of the field
  std::uint16_t field_column = 0;       ///< whose value it has
  std::int64_t seconds = 0;             ///< after it was written, unless there is
  std::optional<std::uint16_t> column;  ///< one that says when
};

/// All that is worked out once for the rows of one topic and table version. Immutable.
struct TablePlan {
  std::string topic;
  TableSchemaPtr schema;
  std::string error;              ///< not empty: no row of it can be written, and why
  std::optional<RowKey> key;      ///< unless there is an error, as all below
  std::optional<RowText> member;  ///< of sets
  std::optional<RowNest> nest;    ///< of rows in documents of others: with the member, the place there
  std::optional<RowText> value;   ///< of strings that are no documents
  std::optional<DocumentLayout> document;
  std::optional<std::uint16_t> score;   ///< column, of sorted sets
  std::optional<std::uint16_t> expiry;  ///< column
  std::vector<FieldEnd> field_ends;     ///< of hashes
  /// Hash fields, or paths in merged documents, that an earlier version of the table had and this one has
  /// not.
  std::vector<std::string> dropped;
  std::vector<bool> written;      ///< by column: its value is part of what is written, keys and members aside
  bool within_table_key = false;  ///< updates that send no old row leave key and member alone

  /// Made of a column of the key: all rows that may share the document have it alike.
  [[nodiscard]] bool is_of_key(const DocumentField& field) const;
};

/// Makes plans and keeps them. A plan lives until `clear`; one thread. The target must outlive it.
class PlanCache {
 public:
  explicit PlanCache(const Target& target) : target_(target) {}

  [[nodiscard]] const TablePlan& plan(std::string_view topic, const TableSchemaPtr& schema);
  /// How the keys of a topic are made under all versions of its table seen so far.
  [[nodiscard]] std::span<const RowKey> keys_of(std::string_view topic) const;
  /// Fields that a topic's hashes may have from before; forgets the plans made without them.
  void know_columns(std::string_view topic, const std::vector<std::string>& names);
  /// Topics with fields that have been seen since the last call, and the names of all fields of each.
  [[nodiscard]] std::vector<std::pair<std::string, std::vector<std::string>>> take_new_columns();
  /// The next call answers all topics: what was taken may be lost.
  void repeat_columns();
  /// Columns that target.fields or target.expire names and a table has not got: sentences, each once.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  [[nodiscard]] std::size_t size() const { return plans_.size(); }
  /// Forgets the plans, not which keys belong to which topic.
  void clear() { plans_.clear(); }

 private:
  struct Columns {
    std::vector<std::string> names;
    bool taken = false;  // by take_new_columns
  };
  Status make(TablePlan& plan);
  Status make_key(TablePlan& plan);
  Result<RowText> make_member(const TablePlan& plan) const;
  Status make_texts(TablePlan& plan);
  Status make_document(TablePlan& plan);
  std::optional<std::uint16_t> expiry_column(TablePlan& plan, std::string_view option,
                                             const std::string& column);
  void make_field_ends(TablePlan& plan);
  void note_dropped(TablePlan& plan, const std::vector<std::string>& seen) const;
  void warn(std::string sentence);
  Columns& add_columns(std::string_view topic, const std::vector<std::string>& names);

  const Target& target_;
  std::map<std::pair<std::string, const TableSchema*>, std::unique_ptr<TablePlan>> plans_;
  std::map<std::string, std::string, std::less<>> topic_of_pattern_;
  std::map<std::string, std::vector<RowKey>, std::less<>> keys_;  // by topic
  std::map<std::string, Columns, std::less<>> columns_seen_;      // by topic; of Target::keeps_columns
  std::vector<std::string> warnings_;
};

}  // namespace millrace::redis
