#include "sink/redis/target/nest.h"

#include <algorithm>
#include <utility>

#include "format/json_canonical.h"
#include "format/json_writer.h"
#include "sink/redis/target/document.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kMaxLevels = 8;
constexpr char kBetweenParts = '\0';  // in no name of any database
constexpr std::string_view kFilter = "[?(@";
constexpr std::string_view kEquals = "==";
constexpr std::string_view kFilterEnd = ")]";
constexpr std::string_view kNameBegin = "[\"";  // of a path_end
constexpr std::string_view kNameEnd = "\"]";

Error bad_path(const std::string& what) {
  return stop_error(what, "write for example lines, or lines.{line_no}.allocations");
}

/// The parts between dots that lie outside braces.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> out;
  std::size_t start = 0;
  bool in_braces = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') in_braces = true;
    if (text[i] == '}') in_braces = false;
    if (text[i] != '.' || in_braces) continue;
    out.push_back(text.substr(start, i - start));
    start = i + 1;
  }
  out.push_back(text.substr(start));
  return out;
}

}  // namespace

NestName nest_name(std::string_view text) {
  const std::size_t at = text.ends_with(']') ? text.find('[') : std::string_view::npos;
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1, text.size() - at - 2)};
}

std::string nest_part(std::string_view text) {
  const NestName name = nest_name(text);
  if (name.id.empty()) return path_end(name.box);
  return path_end(name.box) + std::string(kFilter) + path_end(name.id) + std::string(kEquals);
}

std::string nest_tree_json(const std::vector<NestTree>& trees) {
  std::string out = "{";
  for (const NestTree& tree : trees) {
    if (out.size() > 1) out += ',';
    append_json_name(out, nest_part(tree.name));
    out += ':' + nest_tree_json(tree.inside);
  }
  return out + '}';
}

Result<NestPath> NestPath::parse(std::string_view text) {
  const std::vector<std::string_view> parts = split(text);
  if (parts.size() % 2 == 0)
    return bad_path("it ends with what stands for a row, not with the name of an object");
  if (parts.size() > 2 * kMaxLevels) return bad_path("it goes deeper than 8 objects");
  NestPath out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool has_column = parts[i].find('{') != std::string_view::npos;
    const NestName name = nest_name(parts[i]);
    if (name.box.empty() || has_column != (i % 2 == 1))
      return bad_path("names of objects and columns in braces must take turns, with dots between them");
    if (!has_column && parts[i].ends_with("[]"))
      return bad_path("an array needs the name of the member that tells its rows apart, in brackets");
    if (!can_be_made(name.box) || !can_be_made(name.id))
      return bad_path("names of objects must have no quotes, backslashes or outer spaces");
    if (!has_column) {
      out.names_.emplace_back(parts[i]);
      continue;
    }
    auto between = ValueTemplate::parse(parts[i]);
    if (!between) return std::move(between).error();
    out.between_.push_back(std::move(*between));
  }
  return out;
}

/// Names in arrays are compared as JSON, so they are integers or texts.
Result<RowNest::Form> RowNest::form_of(const Level& level, std::span<const std::uint16_t> columns,
                                       const TableSchema& schema) {
  if (!level.part.ends_with(kEquals)) return Form::kName;
  const CellType type = columns.size() == 1 ? schema.columns[columns.front()].type : CellType::kNull;
  switch (type) {
    case CellType::kInt64:
    case CellType::kUint64:
      return Form::kNumber;
    case CellType::kText:
    case CellType::kUuid:
      return Form::kText;
    default:
      return reject_error("rows in the array " + level.box +
                              " of target.nest are told apart by one column of "
                              "integers, texts or uuids, and table " +
                              full_name(schema) + " has something else",
                          "name another member in the brackets");
  }
}

Result<RowNest> RowNest::make(const NestPath& path, std::string_view topic, const TableSchema& schema,
                              const RowText& member) {
  RowNest out;
  for (const ValueTemplate& one : path.between_) {
    auto between = RowText::make(one, "target.nest", topic, schema);
    if (!between) return std::move(between).error();
    out.columns_.insert(out.columns_.end(), between->columns().begin(), between->columns().end());
    out.between_.push_back(std::move(*between));
  }
  for (std::size_t i = 0; i < path.names_.size(); ++i) {
    Level level{std::string(nest_name(path.names_[i]).box), nest_part(path.names_[i])};
    const RowText& name = i < out.between_.size() ? out.between_[i] : member;
    auto form = form_of(level, name.columns(), schema);
    if (!form) return std::move(form).error();
    level.form = *form;
    out.levels_.push_back(std::move(level));
  }
  return out;
}

std::optional<std::string> RowNest::append_name(std::string& out, const Level& level, const RowText& text,
                                                const RowCells& cells) {
  std::string name;
  if (auto error = text.append(name, cells)) return error;
  const bool in_array = level.form != Form::kName;
  if (in_array && name.empty()) return "what tells it apart in the array " + level.box + " is NULL or empty";
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
  if (!can_be_made(name) || (in_array && std::ranges::any_of(name, is_control)))
    return "target.member, or a name in target.nest, has a quote, a backslash or an outer space, which "
           "RedisJSON takes in no path";
  out += level.form == Form::kText ? '"' + name + '"' : name;
  return std::nullopt;
}

std::optional<std::string> RowNest::append(std::string& out, const RowText& member,
                                           const RowCells& cells) const {
  out += '$';
  for (std::size_t i = 0; i < between_.size(); ++i) {
    std::string name;
    if (auto error = append_name(name, levels_[i], between_[i], cells)) return error;
    out += NestPlace{{}, levels_[i].part, name}.path();
  }
  out += kBetweenParts;
  out += levels_.back().part;
  out += kBetweenParts;
  return append_name(out, levels_.back(), member, cells);
}

bool RowNest::is_reversible() const {
  return std::ranges::all_of(between_, [](const RowText& one) { return one.is_reversible(); }) &&
         std::ranges::all_of(levels_, [](const Level& level) { return level.form == Form::kName; });
}

std::vector<RowNest::Found> RowNest::find(std::string_view document, const RowText& member) const {
  std::vector<Found> out;
  find_inside(0, document, {"$", {}}, member, out);
  return out;
}

std::optional<std::vector<std::string>> RowNest::values_of(std::string_view place,
                                                           const RowText& member) const {
  const NestPlace at = nest_place(place);
  std::string_view rest = at.parent;
  if (!is_reversible() || at.part != levels_.back().part || !rest.starts_with('$')) return std::nullopt;
  rest.remove_prefix(1);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < between_.size(); ++i) {
    const std::string begin = levels_[i].part + std::string(kNameBegin);
    if (!rest.starts_with(begin)) return std::nullopt;
    rest.remove_prefix(begin.size());
    const std::size_t end = rest.find(kNameEnd);
    const std::string_view name = rest.substr(0, end);
    const bool is_escaped = name.find('\\') != std::string_view::npos;  // not told apart: nobody is accused
    const auto values = between_[i].values_of(name);
    if (end == std::string_view::npos || is_escaped || !values) return std::nullopt;
    out.insert(out.end(), values->begin(), values->end());
    rest.remove_prefix(end + kNameEnd.size());
  }
  const auto own = member.values_of(at.name);
  if (!rest.empty() || !own) return std::nullopt;
  out.insert(out.end(), own->begin(), own->end());
  return out;
}

void RowNest::find_inside(std::size_t level, std::string_view object, const Found& at, const RowText& member,
                          std::vector<Found>& out) const {
  const auto members = json_members(object);
  if (!members) return;
  const auto own = members->find(levels_[level].box);
  if (own == members->end()) return;
  const auto rows = json_members(own->second);
  if (!rows) return;
  const bool is_last = level + 1 == levels_.size();
  for (const auto& [name, row] : *rows) {
    const auto values = (is_last ? member : between_[level]).values_of(name);
    if (!values) continue;
    Found found = at;
    found.values.insert(found.values.end(), values->begin(), values->end());
    if (is_last) {
      found.member += kBetweenParts + levels_[level].part + kBetweenParts + name;
      out.push_back(std::move(found));
    } else {
      found.member += levels_[level].part + path_end(name);
      find_inside(level + 1, row, found, member, out);
    }
  }
}

std::string NestPlace::path() const {
  std::string out(parent);
  out += part;
  if (!part.ends_with(kEquals)) return out + path_end(name);
  out += name;
  return out + std::string(kFilterEnd);
}

NestPlace nest_place(std::string_view member) {
  const std::size_t first = member.find(kBetweenParts);
  if (first == std::string_view::npos) return {};
  const std::size_t second = member.find(kBetweenParts, first + 1);
  return {member.substr(0, first), member.substr(first + 1, second - first - 1), member.substr(second + 1)};
}

}  // namespace millrace::redis
