#include "sink/redis/target/key_template.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace millrace::redis {
namespace {

using Kind = TemplatePart::Kind;

constexpr std::string_view kReservedPrefix = "millrace:";

Error bad_template(const std::string& what) {
  return stop_error(what, "write for example flight:{id}, or {table}:{region}:{id}");
}

bool may_begin_a_separator(char c) { return c != '%' && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'F'); }

/// Whether each % begins an escape.
bool is_escaped(std::string_view text) {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 3)) {
    const std::string_view code = text.substr(at + 1, 2);
    if (code.size() < 2 || code.find_first_not_of("0123456789ABCDEF") != std::string_view::npos) return false;
  }
  return true;
}

/// %XX to characters; each % begins an escape.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    out += static_cast<char>(parse_hex(text.substr(i + 1, 2)).value_or(0));
    i += 2;
  }
  return out;
}

}  // namespace

void append_escaped(std::string& out, std::string_view text, std::string_view special) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    if (c != '%' && special.find(c) == std::string_view::npos) {
      out += c;
      continue;
    }
    const auto code = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[code >> 4U];
    out += kHex[code & 15U];
  }
}

std::string glob_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("*?[]\\^-").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

Result<KeyTemplate> KeyTemplate::parse(std::string_view text, Keys keys) {
  KeyTemplate out;
  if (text.empty()) return out;
  auto parts = parse_template(text);
  if (!parts) return std::move(parts).error();
  out.parts_ = std::move(*parts);
  const auto is_column = [](const TemplatePart& part) { return part.kind == Kind::kColumn; };
  if (keys == Keys::kOfRows && std::none_of(out.parts_.begin(), out.parts_.end(), is_column)) {
    return bad_template("it names no column, so all rows would share one key");
  }
  if (is_column(out.parts_.front())) {
    return bad_template(
        "it begins with a column; begin with text or {table}, so that the keys of a topic can be found");
  }
  if (out.literal_prefix().substr(0, kReservedPrefix.size()) == kReservedPrefix) {
    return bad_template("keys that begin with millrace: are the program's own");
  }
  for (std::size_t i = 1; i < out.parts_.size(); ++i) {
    const TemplatePart& part = out.parts_[i];
    if (out.parts_[i - 1].kind == Kind::kText) continue;
    if (part.kind != Kind::kText) return bad_template("there must be text between two parts in braces");
    const bool last = i + 1 == out.parts_.size();
    if (!last && !may_begin_a_separator(part.text.front())) {
      return bad_template("text between two parts in braces must not begin with a digit, A to F or %");
    }
    if (!last) out.escaped_ += part.text.front();
  }
  return out;
}

bool KeyTemplate::has_topic() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const TemplatePart& part) { return part.kind == Kind::kTopic; });
}

bool KeyTemplate::has_table() const {
  return is_default() || std::any_of(parts_.begin(), parts_.end(),
                                     [](const TemplatePart& part) { return part.kind == Kind::kTable; });
}

bool KeyTemplate::has_schema() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const TemplatePart& part) { return part.kind == Kind::kSchema; });
}

std::string KeyTemplate::form(std::string_view topic) const {
  const std::size_t dot = topic.rfind('.');
  const std::string_view table = topic.substr(dot == std::string_view::npos ? 0 : dot + 1);
  std::string_view schema = topic.substr(0, dot == std::string_view::npos ? 0 : dot);
  schema.remove_prefix(schema.rfind('.') + 1);  // of npos: nothing
  if (is_default()) return std::string(table) + ":";
  std::string out;
  for (const TemplatePart& part : parts_) {
    switch (part.kind) {
      case Kind::kText:
        out += part.text;
        break;
      case Kind::kTopic:
        out += topic;
        break;
      case Kind::kTable:
        out += table;
        break;
      case Kind::kSchema:
        out += schema;
        break;
      default:
        out += '*';
    }
  }
  return out;
}

std::string KeyTemplate::literal_prefix() const {
  return !parts_.empty() && parts_.front().kind == Kind::kText ? parts_.front().text : std::string();
}

void RowKey::add_text(std::string_view text) {
  text_ += text;
  pattern_ += glob_escaped(text);
}

void RowKey::add_column(const TableSchema& schema, std::uint16_t column, TemplatePart made_of) {
  const CellType type = made_of.is_one_to_one() ? schema.columns[column].type : CellType::kText;
  parts_.push_back({std::exchange(text_, {}), std::move(made_of), column, true, type});
  pattern_ += '*';
  columns_.push_back(column);
}

Result<RowKey> RowKey::make(const KeyTemplate& key_template, std::string_view topic,
                            const TableSchema& schema) {
  RowKey key;
  key.table_ = full_name(schema);
  key.escaped_ = key_template.is_default() ? ":" : key_template.escaped_;
  const auto add_name = [&key](std::string_view name) {
    std::string text;
    append_escaped(text, name, key.escaped_);
    key.add_text(text);
  };
  if (key_template.is_default()) {
    if (schema.key_columns.empty()) {
      return reject_error(
          "table " + key.table_ + " has no primary key, so its rows have no key in Redis",
          "give the table a primary key, or name columns that tell its rows apart in target.key");
    }
    add_name(schema.table);
    for (const std::uint16_t column : schema.key_columns) {
      key.add_text(":");
      add_name(schema.columns[column].name);
      key.add_text(":");
      key.add_column(schema, column, {Kind::kColumn, schema.columns[column].name});
    }
    key.within_table_key_ = true;
    return key;
  }
  key.within_table_key_ = true;
  for (const TemplatePart& part : key_template.parts_) {
    switch (part.kind) {
      case Kind::kText:
        key.add_text(part.text);
        break;
      case Kind::kTopic:
        add_name(topic);
        break;
      case Kind::kTable:
        add_name(schema.table);
        break;
      case Kind::kSchema:
        add_name(schema.schema);
        break;
      case Kind::kColumn: {
        const auto column = find_column(schema, part.text);
        if (!column) {
          const std::string near = near_column(schema, part.text);
          return reject_error(
              "target.key names a column " + part.text + " that table " + key.table_ + " has not got",
              near.empty() ? "name columns of the table, or give this topic a sink of its own" : near);
        }
        if (const auto fault = part_fault(part, schema.columns[*column]); !fault.empty()) {
          return reject_error("target.key: " + std::string(fault) + ", and " + part.text + " of table " +
                                  key.table_ + " is none",
                              "name another column");
        }
        const auto& own = schema.key_columns;
        if (std::find(own.begin(), own.end(), *column) == own.end()) key.within_table_key_ = false;
        key.add_column(schema, *column, part);
        break;
      }
    }
  }
  // Nothing but fixed text can follow the last part, so its value needs no escape to be told apart.
  const auto& parts = key_template.parts_;
  const bool text_is_last = parts.size() > 1 && parts.back().kind == Kind::kText;
  const TemplatePart& last = text_is_last ? parts[parts.size() - 2] : parts.back();
  if (last.kind == Kind::kColumn) key.parts_.back().escape = false;
  return key;
}

bool RowKey::matches(std::string_view key) const {
  for (const Part& part : parts_) {
    if (key.substr(0, part.text.size()) != part.text) return false;
    key.remove_prefix(part.text.size());
    std::string_view value = key.substr(0, key.find_first_of(escaped_));
    if (!part.escape) {  // the last one
      if (key.size() < text_.size()) return false;
      value = key.substr(0, key.size() - text_.size());
    }
    if (!may_be_value(part.type, value) || (part.escape && !is_escaped(value))) return false;
    key.remove_prefix(value.size());
  }
  return key == text_;
}

std::optional<std::vector<std::string>> RowKey::values_of(std::string_view key) const {
  if (!is_one_to_one() || !matches(key)) return std::nullopt;
  std::vector<std::string> out;
  for (const Part& part : parts_) {
    key.remove_prefix(part.text.size());
    const std::size_t size =
        part.escape ? std::min(key.size(), key.find_first_of(escaped_)) : key.size() - text_.size();
    out.push_back(part.escape ? unescaped(key.substr(0, size)) : std::string(key.substr(0, size)));
    key.remove_prefix(size);
  }
  return out;
}

bool RowKey::is_one_to_one() const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return part.made_of.is_one_to_one(); });
}

bool RowKey::same_keys(const RowKey& other) const {
  const auto same = [](const Part& a, const Part& b) { return a.type == b.type; };
  return pattern_ == other.pattern_ &&
         std::equal(parts_.begin(), parts_.end(), other.parts_.begin(), other.parts_.end(), same);
}

std::optional<std::string> RowKey::append(std::string& out, const Batch& batch,
                                          std::span<const Cell> cells) const {
  const std::size_t start = out.size();
  for (const Part& part : parts_) {
    out += part.text;
    const Cell& cell = cells[part.column];
    if (!has_value(cell)) {
      out.resize(start);
      const std::string of = "column " + part.made_of.text + " of " + table_;
      return cell.type == CellType::kNull
                 ? of + " is part of the key in Redis and is NULL"
                 : of + " is part of the key in Redis and was not sent with this change";
    }
    const std::size_t value_start = out.size();
    if (!append_part(out, part.made_of, batch, cell)) {
      out.resize(start);
      return "column " + part.made_of.text + " of " + table_ +
             " is part of the key in Redis and holds an array with bad text";
    }
    if (!part.escape) continue;
    const std::string_view value = std::string_view(out).substr(value_start);
    if (value.find('%') == std::string_view::npos && value.find_first_of(escaped_) == std::string_view::npos)
      continue;
    const std::string copy(value);
    out.resize(value_start);
    append_escaped(out, copy, escaped_);
  }
  out += text_;
  return std::nullopt;
}

}  // namespace millrace::redis
