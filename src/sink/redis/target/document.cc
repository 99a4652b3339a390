#include "sink/redis/target/document.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "format/json_writer.h"

namespace millrace::redis {
namespace {

std::string json_path(const std::vector<std::string>& names) {
  std::string path = "$";
  for (const std::string& name : names) path += path_end(name);
  return path;
}

}  // namespace

std::string path_end(std::string_view name) {
  std::string out = "[\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"]";
}

bool can_be_made(std::string_view name) {
  return !name.starts_with(' ') && !name.ends_with(' ') &&
         name.find_first_of("\"\\") == std::string_view::npos;
}

DocumentLayout::DocumentLayout(TableSchemaPtr schema, const JsonOptions& options, const FieldList& list,
                               std::span<const FieldList::Field> fields)
    : writer_(std::move(schema), options), whole_(list.is_whole()) {
  std::vector<std::size_t> all;
  for (const FieldList::Field& field : fields) {
    all.push_back(fields_.size());
    fields_.push_back({field.column, field.path.back(), json_path(field.path),
                       json_key_prefix(field.path.back(), true), field.path.size() > 1});
  }
  add_steps(fields, all, 0);
}

/// `which` fields share the first `depth` names of their paths.
void DocumentLayout::add_steps(std::span<const FieldList::Field> fields,
                               const std::vector<std::size_t>& which, std::size_t depth) {
  std::vector<bool> done(which.size());
  for (std::size_t i = 0; i < which.size(); ++i) {
    if (done[i]) continue;
    const std::vector<std::string>& path = fields[which[i]].path;
    if (path.size() == depth + 1) {
      steps_.push_back({Step::Kind::kField, which[i], {}});
      continue;
    }
    std::vector<std::size_t> inside;
    for (std::size_t j = i; j < which.size(); ++j) {
      const std::vector<std::string>& other = fields[which[j]].path;
      if (other.size() <= depth + 1 || other[depth] != path[depth]) continue;
      inside.push_back(which[j]);
      done[j] = true;
    }
    has_objects_ = true;
    steps_.push_back({Step::Kind::kOpen, 0, json_key_prefix(path[depth], true) + '{'});
    add_steps(fields, inside, depth + 1);
    steps_.push_back({Step::Kind::kClose, 0, {}});
  }
}

Status DocumentLayout::append(std::string& out, const RowCells& cells) const {
  if (whole_ && !cells.plain().empty()) return writer_.append(out, cells.batch(0), cells.plain());
  const std::size_t start = out.size();
  out += '{';
  bool first = true;
  for (const Step& step : steps_) {
    if (step.kind == Step::Kind::kClose) {
      out += '}';
      first = false;
      continue;
    }
    const bool opens = step.kind == Step::Kind::kOpen;
    if (!opens && is_missing(cells[fields_[step.field].column])) continue;
    const std::string_view prefix = opens ? step.prefix : fields_[step.field].prefix;
    out += first ? prefix.substr(1) : prefix;
    first = opens;
    if (opens) continue;
    if (Status done = append_value(out, fields_[step.field], cells); !done) {
      out.resize(start);
      return done;
    }
  }
  out += '}';
  return {};
}

Status DocumentLayout::append_value(std::string& out, const DocumentField& field,
                                    const RowCells& cells) const {
  return writer_.append_value(out, cells.batch(field.column), field.column, cells[field.column]);
}

Status DocumentLayout::append_text(std::string& out, const DocumentField& field,
                                   const RowCells& cells) const {
  return writer_.append_text(out, cells.batch(field.column), field.column, cells[field.column]);
}

void DocumentLayout::append_objects(std::string& out) const {
  out += '{';
  bool first = true;
  for (const Step& step : steps_) {
    if (step.kind == Step::Kind::kField) continue;
    const bool opens = step.kind == Step::Kind::kOpen;
    if (opens) out += first ? std::string_view(step.prefix).substr(1) : step.prefix;
    if (!opens) out += '}';
    first = opens;
  }
  out += '}';
}

}  // namespace millrace::redis
