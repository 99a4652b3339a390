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

std::string nest_tree_json(const std::vector<NestTree>& trees) {
  std::string out = "{";
  for (const NestTree& tree : trees) {
    if (out.size() > 1) out += ',';
    append_json_name(out, path_end(tree.name));
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
    if (parts[i].empty() || has_column != (i % 2 == 1))
      return bad_path("names of objects and columns in braces must take turns, with dots between them");
    if (!can_be_made(parts[i]))
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

Result<RowNest> RowNest::make(const NestPath& path, std::string_view topic, const TableSchema& schema) {
  RowNest out;
  out.plain_names_ = path.names_;
  for (const std::string& name : path.names_) out.names_.push_back(path_end(name));
  for (const ValueTemplate& one : path.between_) {
    auto between = RowText::make(one, "target.nest", topic, schema);
    if (!between) return std::move(between).error();
    out.columns_.insert(out.columns_.end(), between->columns().begin(), between->columns().end());
    out.between_.push_back(std::move(*between));
  }
  return out;
}

std::optional<std::string> RowNest::append(std::string& out, const RowCells& cells) const {
  out += '$';
  for (std::size_t i = 0; i < between_.size(); ++i) {
    out += names_[i];
    std::string name;
    if (auto error = between_[i].append(name, cells)) return error;
    if (!can_be_made(name))
      return "a name in target.nest has a quote, a backslash or an outer space, which RedisJSON takes in no "
             "path";
    out += path_end(name);
  }
  out += kBetweenParts;
  out += names_.back();
  out += kBetweenParts;
  return std::nullopt;
}

bool RowNest::is_reversible() const {
  return std::ranges::all_of(between_, [](const RowText& one) { return one.is_reversible(); });
}

std::vector<RowNest::Found> RowNest::find(std::string_view document, const RowText& member) const {
  std::vector<Found> out;
  find_inside(0, document, {"$", {}}, member, out);
  return out;
}

void RowNest::find_inside(std::size_t level, std::string_view object, const Found& at, const RowText& member,
                          std::vector<Found>& out) const {
  const auto members = json_members(object);
  if (!members) return;
  const auto own = members->find(plain_names_[level]);
  if (own == members->end()) return;
  const auto rows = json_members(own->second);
  if (!rows) return;
  const bool is_last = level + 1 == plain_names_.size();
  for (const auto& [name, row] : *rows) {
    const auto values = (is_last ? member : between_[level]).values_of(name);
    if (!values) continue;
    Found found = at;
    found.values.insert(found.values.end(), values->begin(), values->end());
    if (is_last) {
      found.member += kBetweenParts + names_[level] + kBetweenParts + name;
      out.push_back(std::move(found));
    } else {
      found.member += names_[level] + path_end(name);
      find_inside(level + 1, row, found, member, out);
    }
  }
}

NestPlace nest_place(std::string_view member) {
  const std::size_t first = member.find(kBetweenParts);
  if (first == std::string_view::npos) return {};
  const std::size_t second = member.find(kBetweenParts, first + 1);
  return {member.substr(0, first), member.substr(first + 1, second - first - 1), member.substr(second + 1)};
}

}  // namespace millrace::redis
