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

/// A name up to a space, a dot if those end it, or its closing quote.
std::optional<Name> take_name(std::string_view& text, bool dot_ends) {
  Name name;
  if (text.starts_with('"')) {
    const std::size_t close = text.find('"', 1);
    if (close == std::string_view::npos) return std::nullopt;
    name = {std::string(text.substr(1, close - 1)), true};
    text.remove_prefix(close + 1);
  } else {
    name.text = text.substr(0, text.find_first_of(dot_ends ? " .\"" : " \""));
    text.remove_prefix(name.text.size());
  }
  if (name.text.empty()) return std::nullopt;
  return name;
}

Error bad_item(std::string_view item, const std::string& what) {
  return stop_error("field " + std::string(item) + ": " + what,
                    "write `*`, `column`, `column as name`, `column as place.name` or `-column`");
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

}  // namespace

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
  auto column = take_name(rest, false);
  if (!column) return bad_item(text, "the column's name is missing, or a quote is not closed");
  item.column = std::move(column->text);
  skip_spaces(rest);
  if (rest.empty()) {
    item.path = {item.column};
    return item;
  }
  if (item.kind == Item::Kind::kWithout || !rest.starts_with("as "))
    return bad_item(text, "there is something behind the column's name");
  rest.remove_prefix(3);
  skip_spaces(rest);
  for (;;) {
    auto name = take_name(rest, nested);
    if (!name) return bad_item(text, "a name behind `as` is missing, or a quote is not closed");
    item.path.push_back(std::move(name->text));
    if (rest.empty()) break;
    if (!nested || !rest.starts_with('.')) return bad_item(text, "there is something behind the name");
    rest.remove_prefix(1);
  }
  if (item.path.size() > kMaxDepth) return bad_item(text, "the path is deeper than 16 names");
  return item;
}

Result<FieldList> FieldList::parse(const std::vector<std::string>& items, bool nested) {
  FieldList out;
  for (const std::string& text : items) {
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
    out.items_.insert(out.items_.begin(), Item{Item::Kind::kAll, {}, {}});
  return out;
}

Result<std::vector<FieldList::Field>> FieldList::resolve(const TableSchema& schema,
                                                         std::vector<std::string>& missing) const {
  std::vector<Field> out;
  const auto named = [this](const std::string& column) {
    return std::any_of(items_.begin(), items_.end(), [&](const Item& item) { return item.column == column; });
  };
  const auto add_rest = [&] {
    for (std::size_t i = 0; i < schema.columns.size(); ++i) {
      const std::string& name = schema.columns[i].name;
      if (!named(name)) out.push_back({static_cast<std::uint16_t>(i), {name}});
    }
  };
  if (is_whole()) add_rest();
  for (const Item& item : items_) {
    if (item.kind == Item::Kind::kAll) add_rest();
    if (item.kind != Item::Kind::kColumn) continue;
    if (const auto column = find_column(schema, item.column)) {
      out.push_back({*column, item.path});
    } else {
      missing.push_back(item.column);
    }
  }
  for (auto a = out.begin(); a != out.end(); ++a) {
    for (auto b = out.begin(); b != a; ++b) {
      if (!in_each_others_way(a->path, b->path)) continue;
      return reject_error("target.fields: " + joined(a->path) + " is in the way of " + joined(b->path) +
                              " in rows of table " + schema.table,
                          "give one of them another name");
    }
  }
  return out;
}

}  // namespace millrace::redis
