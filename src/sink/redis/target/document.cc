#include "sink/redis/target/document.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "format/json_writer.h"

namespace millrace::redis {
namespace {

using Function = FieldForm::Function;

bool is_unsent(const DocumentField& field, const RowCells& cells) {
  return is_missing(cells[field.column]) && (!field.latitude || is_missing(cells[*field.latitude]));
}

/// The bytes of a vector: whatever else stood there could be taken for one.
bool is_packed(const DocumentField& field) { return field.form.packing != FieldForm::Packing::kNone; }

/// A text that an index cannot take stays one, so that Redis counts it.
bool stands_as_it_is(const DocumentField& field, const RowCells& cells) {
  const CellType type = cells[field.column].type;
  return field.form.for_index && !is_packed(field) &&
         (type == CellType::kText || type == CellType::kJson || type == CellType::kArray);
}

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
    : writer_(std::move(schema), options), options_(options), whole_(list.is_whole()) {
  std::vector<std::size_t> all;
  for (const FieldList::Field& field : fields) {
    all.push_back(fields_.size());
    fields_.push_back({field.column, field.form, field.latitude, field.path.back(), json_path(field.path),
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
    if (!opens && is_unsent(fields_[step.field], cells)) continue;
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

DocumentLayout::Presence DocumentLayout::presence(const DocumentField& field, const RowCells& cells) const {
  const CellType type = cells[field.column].type;
  if (is_unsent(field, cells)) return type == CellType::kUnchanged ? Presence::kKept : Presence::kAbsent;
  if (type == CellType::kNull) return Presence::kNull;
  if (field.form.function == Function::kNone || is_packed(field)) return Presence::kValue;
  std::string made;
  return append_made(made, field, cells) || stands_as_it_is(field, cells) ? Presence::kValue
                                                                          : Presence::kNull;
}

/// False: what is there has no such form.
bool DocumentLayout::append_made(std::string& out, const DocumentField& field, const RowCells& cells) const {
  const Cell& cell = cells[field.column];
  if (!field.latitude)
    return has_value(cell) && append_form(out, field.form, cells.batch(field.column), cell, options_);
  const Cell& latitude = cells[*field.latitude];
  // A value that was not sent as it is large is no coordinate.
  return has_value(cell) && has_value(latitude) &&
         append_place(out, cells.batch(field.column), cell, cells.batch(*field.latitude), latitude);
}

Status DocumentLayout::append_value(std::string& out, const DocumentField& field,
                                    const RowCells& cells) const {
  const Batch& batch = cells.batch(field.column);
  const Cell& cell = cells[field.column];
  if (field.form.function == Function::kNone) return writer_.append_value(out, batch, field.column, cell);
  std::string made;
  if (!append_made(made, field, cells)) {
    if (stands_as_it_is(field, cells)) return writer_.append_value(out, batch, field.column, cell);
    out += "null";
    return {};
  }
  if (!is_text(field.form.function)) {
    out += made;
    return {};
  }
  const std::size_t start = out.size();
  if (append_json_string(out, made)) return {};
  out.resize(start);
  return writer_.append_value(out, batch, field.column, cell);  // tells what is wrong with it
}

Status DocumentLayout::append_text(std::string& out, const DocumentField& field,
                                   const RowCells& cells) const {
  const bool plain = field.form.function == Function::kNone;
  if (!plain && append_made(out, field, cells)) return {};
  if (is_packed(field)) {
    return reject_error("column " + writer_.schema().columns[field.column].name + " of " +
                            full_name(writer_.schema()) + " holds no list of numbers, which its index needs",
                        "write NULL where there is no vector");
  }
  if (!plain && !stands_as_it_is(field, cells)) return {};
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
