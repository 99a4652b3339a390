#include "sink/redis/target/field_list.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace millrace::redis {
namespace {

constexpr std::size_t kMaxDepth = 16;  // of the 128 that Redis takes, leaving room for what json columns hold

struct Name {
  std::string text;
  bool quoted = false;
};

void skip_spaces(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
}

/// A name up to one of the characters that `end` it, or its closing quote.
std::optional<Name> take_name(std::string_view& text, std::string_view end) {
  Name name;
  if (text.starts_with('"')) {
    const std::size_t close = text.find('"', 1);
    if (close == std::string_view::npos) return std::nullopt;
    name = {std::string(text.substr(1, close - 1)), true};
    text.remove_prefix(close + 1);
  } else {
    name.text = text.substr(0, text.find_first_of(end));
    text.remove_prefix(name.text.size());
  }
  if (name.text.empty()) return std::nullopt;
  return name;
}

/// A list in one line is cut at all its commas, those between brackets too.
std::vector<std::string> with_commas(const std::vector<std::string>& items) {
  std::vector<std::string> out;
  bool open = false;
  for (const std::string& item : items) {
    if (open) {
      out.back() += ", " + item;
    } else {
      out.push_back(item);
    }
    const std::string& whole = out.back();
    open = whole.find('"') == std::string::npos &&
           std::ranges::count(whole, '(') > std::ranges::count(whole, ')');
  }
  return out;
}

Error bad_item(std::string_view item, const std::string& what) {
  return stop_error(
      "field " + std::string(item) + ": " + what,
      "write `*`, `column`, `column as name`, `column as place.name`, `function(column) as name` "
      "or `-column`");
}

bool in_each_others_way(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const std::size_t shared = std::min(a.size(), b.size());
  return std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(shared), b.begin());
}

std::string joined(const std::vector<std::string>& path) {
  std::string out;
  for (const std::string& name : path) out += (out.empty() ? "" : ".") + name;
  return out;
}

Result<std::vector<FieldList::Field>> check_apart(const TableSchema& schema,
                                                  std::vector<FieldList::Field> fields) {
  for (auto a = fields.begin(); a != fields.end(); ++a) {
    for (auto b = fields.begin(); b != a; ++b) {
      if (!in_each_others_way(a->path, b->path)) continue;
      return reject_error("target.fields: " + joined(a->path) + " is in the way of " + joined(b->path) +
                              " in rows of table " + schema.table,
                          "give one of them another name");
    }
  }
  return fields;
}

}  // namespace

/// What stands in front of `as`: a column, or a function of one.
Status FieldList::parse_source(std::string_view text, std::string_view& rest, Item& item) {
  constexpr std::string_view kNameEnds = " \"";
  constexpr std::string_view kArgumentEnds = " ,)\"";
  const std::size_t open = rest.find_first_of("( \"");
  const bool calls = open != std::string_view::npos && rest[open] == '(' && item.kind == Item::Kind::kColumn;
  if (calls) {
    const std::string_view function = rest.substr(0, open);
    const auto known = field_function(function);
    if (!known) {
      return bad_item(text, "there is no function " + std::string(function) + "(), only " +
                                field_functions() + "; a column of that name stands in double quotes");
    }
    item.form.function = *known;
    rest.remove_prefix(open + 1);
    skip_spaces(rest);
  }
  auto column = take_name(rest, calls ? kArgumentEnds : kNameEnds);
  if (!column) return bad_item(text, "the column's name is missing, or a quote is not closed");
  item.column = std::move(column->text);
  skip_spaces(rest);
  if (!calls) return {};
  if (rest.starts_with(',') && item.form.function == FieldForm::Function::kGeo) {
    rest.remove_prefix(1);
    skip_spaces(rest);
    auto latitude = take_name(rest, kArgumentEnds);
    if (!latitude) return bad_item(text, "the column of the latitude is missing, or a quote is not closed");
    item.latitude = std::move(latitude->text);
    skip_spaces(rest);
  }
  if (!rest.starts_with(')')) return bad_item(text, "a function takes one column, geo() one or two");
  rest.remove_prefix(1);
  skip_spaces(rest);
  return {};
}

/// What stands behind `as`.
Status FieldList::parse_path(std::string_view text, std::string_view rest, bool nested, Item& item) {
  for (;;) {
    auto name = take_name(rest, nested ? " .\"" : " \"");
    if (!name) return bad_item(text, "a name behind `as` is missing, or a quote is not closed");
    item.path.push_back(std::move(name->text));
    if (rest.empty()) break;
    if (!nested || !rest.starts_with('.')) return bad_item(text, "there is something behind the name");
    rest.remove_prefix(1);
  }
  if (item.path.size() > kMaxDepth) return bad_item(text, "the path is deeper than 16 names");
  return {};
}

Result<FieldList::Item> FieldList::parse_item(std::string_view text, bool nested) {
  std::string_view rest = text;
  skip_spaces(rest);
  while (rest.ends_with(' ')) rest.remove_suffix(1);
  Item item;
  if (rest == "*") {
    item.kind = Item::Kind::kAll;
    return item;
  }
  if (rest.starts_with('-')) {
    item.kind = Item::Kind::kWithout;
    rest.remove_prefix(1);
  }
  MILLRACE_TRY(parse_source(text, rest, item));
  if (rest.empty()) {
    if (!item.latitude.empty()) return bad_item(text, "a place of two columns needs a name: `as where`");
    item.path = {item.column};
    return item;
  }
  if (item.kind == Item::Kind::kWithout || !rest.starts_with("as "))
    return bad_item(text, "there is something behind the column's name");
  rest.remove_prefix(3);
  skip_spaces(rest);
  MILLRACE_TRY(parse_path(text, rest, nested, item));
  return item;
}

Result<FieldList> FieldList::parse(const std::vector<std::string>& items, bool nested) {
  FieldList out;
  for (const std::string& text : with_commas(items)) {
    auto item = parse_item(text, nested);
    if (!item) return std::move(item).error();
    if (item->kind == Item::Kind::kColumn) {
      for (const Item& other : out.items_) {
        if (other.kind == Item::Kind::kColumn && in_each_others_way(other.path, item->path))
          return bad_item(text, joined(item->path) + " is in the way of " + joined(other.path));
      }
    }
    out.items_.push_back(std::move(*item));
  }
  const auto names = [](const Item& item) { return item.kind != Item::Kind::kWithout; };
  if (!out.items_.empty() && std::none_of(out.items_.begin(), out.items_.end(), names))
    out.items_.insert(out.items_.begin(), Item{.kind = Item::Kind::kAll, .column = {}});
  return out;
}

/// What a function makes of a column stands beside it, unless it has its name.
bool FieldList::names(const std::string& column) const {
  return std::ranges::any_of(items_, [&](const Item& item) {
    const bool beside = item.form.function != FieldForm::Function::kNone && item.path != std::vector{column};
    return item.column == column && !beside;
  });
}

Result<std::vector<FieldList::Field>> FieldList::resolve(const TableSchema& schema,
                                                         std::vector<std::string>& missing) const {
  std::vector<Field> out;
  const auto add_rest = [&] {
    for (std::size_t i = 0; i < schema.columns.size(); ++i) {
      const std::string& name = schema.columns[i].name;
      if (!names(name)) out.push_back({static_cast<std::uint16_t>(i), {name}});
    }
  };
  if (items_.empty()) add_rest();
  for (const Item& item : items_) {
    if (item.kind == Item::Kind::kAll) add_rest();
    if (item.kind != Item::Kind::kColumn) continue;
    const auto column = find_column(schema, item.column);
    const auto latitude = item.latitude.empty() ? column : find_column(schema, item.latitude);
    if (!column || !latitude) {
      missing.push_back(column ? item.latitude : item.column);
      continue;
    }
    Field& field = out.emplace_back(Field{*column, item.path, item.form});
    if (!item.latitude.empty()) {
      field.latitude = latitude;
      continue;
    }
    if (const auto fault = form_fault(item.form.function, schema.columns[*column]); !fault.empty()) {
      return reject_error("target.fields: " + std::string(fault) + ", and " + item.column + " of table " +
                              full_name(schema) + " is none",
                          "name another column, or another function");
    }
  }
  add_index_forms(schema, out);
  return check_apart(schema, std::move(out));
}

bool FieldList::add(const IndexForm& form) {
  for (const IndexForm& other : index_forms_) {
    if (other.path != form.path || other.suffix != form.suffix) continue;
    return other == form;
  }
  index_forms_.push_back(form);
  return true;
}

bool FieldList::may_have(const std::vector<std::string>& path, bool made) const {
  const auto is_there = [&](const Item& item) {
    if (item.kind == Item::Kind::kAll) return !made && path.size() == 1;
    const bool is_made = item.form.function != FieldForm::Function::kNone;
    return item.kind == Item::Kind::kColumn && item.path == path && (is_made || !made);
  };
  if (items_.empty()) return !made && path.size() == 1;
  return std::ranges::any_of(items_, is_there);
}

void FieldList::add_index_forms(const TableSchema& schema, std::vector<Field>& fields) const {
  for (const IndexForm& wanted : index_forms_) {
    const auto own = std::ranges::find(fields, wanted.path, &Field::path);
    if (own == fields.end()) continue;
    FieldForm form = own->form;
    // A column that the function does not take stands as it is, for Redis to count its rows.
    if (form.function == FieldForm::Function::kNone &&
        form_fault(wanted.form.function, schema.columns[own->column]).empty())
      form = wanted.form;
    if (wanted.suffix.empty()) {
      own->form = form;
      continue;
    }
    Field beside = *own;
    beside.path.back() += wanted.suffix;
    beside.form = form;
    fields.push_back(std::move(beside));
  }
}

}  // namespace millrace::redis
