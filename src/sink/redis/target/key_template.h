#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/batch.h"
#include "sink/redis/target/template_part.h"

namespace millrace::redis {

/// How a row's key in Redis is made, e.g. `flight:{id}`; see TemplatePart. The empty template is the default:
/// `<table>:<key column>:<value>` with `:<key column>:<value>` for each further column of the table's key.
///
/// Two rows never share a key unless they agree in every column the template names (or in what functions make
/// of it): in each part but a last column, `%` and the characters that begin the texts between the parts are
/// written as %XX, so a part ends where the next text begins. In the default template that goes for the last
/// column too. Pure and immutable.
class KeyTemplate {
 public:
  /// The default template.
  KeyTemplate() = default;
  /// What the rows of a topic are kept under: a key each, or keys that many may share (a set, a stream).
  enum class Keys : std::uint8_t { kOfRows, kShared };
  /// The error says what is wrong with the template and what to write instead. A template begins with text or
  /// with {topic}, {table} or {schema} (the keys of a topic are found by it), names at least one column
  /// unless keys may be shared, has text that begins with neither a digit nor A to F nor % between any two
  /// parts, and does not begin with `millrace:`.
  [[nodiscard]] static Result<KeyTemplate> parse(std::string_view text, Keys keys = Keys::kOfRows);

  [[nodiscard]] bool is_default() const { return parts_.empty(); }
  /// True when every topic has keys of its own: {topic}, or {table} (default too) where tables have different
  /// names.
  [[nodiscard]] bool has_topic() const;
  [[nodiscard]] bool has_table() const;
  [[nodiscard]] bool has_schema() const;
  /// Its text with {topic}, {table} and {schema} filled in for a topic, and * for each column: rows of two
  /// templates with the same form may have the same keys. Of the default only {table} is told.
  [[nodiscard]] std::string form(std::string_view topic) const;
  /// Text in front of the first part; empty for the default.
  [[nodiscard]] std::string literal_prefix() const;

 private:
  friend class RowKey;
  std::vector<TemplatePart> parts_;
  std::string escaped_;  // characters written as %XX
};

/// A template made ready for the rows of one topic and table version. Immutable, so thread-safe.
class RowKey {
 public:
  /// A reject error when the table cannot have such keys (no key, no such column): it holds for each of its
  /// rows.
  [[nodiscard]] static Result<RowKey> make(const KeyTemplate& key_template, std::string_view topic,
                                           const TableSchema& schema);

  /// Appends the key of a row whose value of column i is `cells[i]` of `batch`. Nothing on success, else why
  /// there is no key: a column is NULL or was not sent. `out` is then as before. `cells` has one cell a
  /// column of the schema.
  [[nodiscard]] std::optional<std::string> append(std::string& out, const Batch& batch,
                                                  std::span<const Cell> cells) const;

  /// Columns the key is made of, in the template's order.
  [[nodiscard]] std::span<const std::uint16_t> columns() const { return columns_; }
  /// True when the columns are all among the table's key columns, so updates that send no old row leave the
  /// key alone.
  [[nodiscard]] bool within_table_key() const { return within_table_key_; }
  /// Glob of all keys of this topic, for SCAN MATCH; special characters in texts are escaped. A * takes more
  /// than a column's value, so what is found must be held against `matches`.
  [[nodiscard]] const std::string& pattern() const { return pattern_; }
  /// What all keys of this topic begin with: the text in front of the first column.
  [[nodiscard]] std::string_view prefix() const { return parts_.empty() ? text_ : parts_.front().text; }
  /// True when some row of this table version may have `key`, by the texts, the escapes and the columns'
  /// types. Certain unless the last column is text that is written as it is.
  [[nodiscard]] bool matches(std::string_view key) const;
  /// The values that make `key`, one a column of `columns()`, as plain text; nothing when it is none of this
  /// topic's, or the template has functions.
  [[nodiscard]] std::optional<std::vector<std::string>> values_of(std::string_view key) const;
  /// Rows that differ in the columns have different keys: no function in the template takes a difference
  /// away.
  [[nodiscard]] bool is_one_to_one() const;
  /// True when both match the same keys.
  [[nodiscard]] bool same_keys(const RowKey& other) const;

 private:
  RowKey() = default;
  void add_text(std::string_view text);
  void add_column(const TableSchema& schema, std::uint16_t column, TemplatePart made_of);

  struct Part {
    std::string text;  // in front of the column
    TemplatePart made_of;
    std::uint16_t column = 0;
    bool escape = true;
    CellType type = CellType::kText;  // of the column; text behind a function
  };
  std::string table_;  // for messages
  std::vector<Part> parts_;
  std::string text_;  // behind the last column
  std::string escaped_;
  std::string pattern_;
  std::vector<std::uint16_t> columns_;
  bool within_table_key_ = false;
};

/// `text` with each of `special` and `%` written as %XX.
void append_escaped(std::string& out, std::string_view text, std::string_view special);
/// `text` as a glob that matches just it.
[[nodiscard]] std::string glob_escaped(std::string_view text);

}  // namespace millrace::redis
