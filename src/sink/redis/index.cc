#include "sink/redis/index.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "format/json_writer.h"

namespace millrace::redis {
namespace {

constexpr std::array<std::string_view, 6> kTypes = {"TAG", "TEXT", "NUMERIC", "GEO", "GEOSHAPE", "VECTOR"};
constexpr std::array<std::string_view, 4> kFlags = {"SORTABLE", "NOSTEM", "NOINDEX", "CASESENSITIVE"};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }) && !(name.front() >= '0' && name.front() <= '9');
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(at);
    if (end != 0) parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

bool has_flag(const std::vector<std::string>& type, std::string_view flag) {
  return std::any_of(type.begin(), type.end(),
                     [flag](const std::string& word) { return upper(word) == flag; });
}

bool has_flag(const Reply& attribute, std::string_view flag) {
  return std::any_of(attribute.elements.begin(), attribute.elements.end(),
                     [flag](const Reply& word) { return word.text == flag; });
}

std::string text_at(const Reply& map, std::string_view name) {
  const Reply* value = map.find(name);
  return value == nullptr ? std::string() : value->as_text();
}

void compare_field(const IndexField& wanted, const Reply& there, std::vector<std::string>& out) {
  const std::string name = "field " + wanted.attribute;
  if (const std::string path = text_at(there, "identifier"); path != wanted.identifier) {
    out.push_back(name + " reads " + path + " instead of " + wanted.identifier);
  }
  if (const std::string type = text_at(there, "type"); type != wanted.type.front()) {
    out.push_back(name + " is " + type + " instead of " + wanted.type.front());
  }
  for (const std::string_view flag : kFlags) {
    const bool want = has_flag(wanted.type, flag);
    if (want == has_flag(there, flag)) continue;
    out.push_back(name + (want ? " is not " : " is ") + std::string(flag));
  }
}

}  // namespace

Result<IndexField> parse_index_field(std::string_view name, std::string_view type, bool on_json) {
  IndexField field;
  field.type = split(type, ' ');
  if (!field.type.empty()) field.type.front() = upper(field.type.front());
  if (field.type.empty() || std::find(kTypes.begin(), kTypes.end(), field.type.front()) == kTypes.end()) {
    return stop_error("a field type begins with TAG, TEXT, NUMERIC, GEO, GEOSHAPE or VECTOR",
                      "write for example NUMERIC SORTABLE");
  }
  field.attribute = name;
  field.identifier = name;
  if (!on_json) return field;
  field.identifier = "$";
  field.attribute.clear();
  for (const std::string& part : split(name, '.')) {
    if (!field.attribute.empty()) field.attribute += '_';
    field.attribute += part;
    if (is_plain_name(part)) {
      field.identifier += '.' + part;
    } else {
      field.identifier += '[';
      append_json_name(field.identifier, part);
      field.identifier += ']';
    }
  }
  if (field.attribute.empty()) return stop_error("a field has no name");
  return field;
}

std::vector<std::string> create_command(const IndexDefinition& index) {
  std::vector<std::string> out = {"FT.CREATE", index.name, "ON",         index.on_json ? "JSON" : "HASH",
                                  "PREFIX",    "1",        index.prefix, "SCHEMA"};
  for (const IndexField& field : index.fields) {
    out.push_back(field.identifier);
    if (field.identifier != field.attribute) {
      out.emplace_back("AS");
      out.push_back(field.attribute);
    }
    out.insert(out.end(), field.type.begin(), field.type.end());
  }
  return out;
}

std::string create_text(const IndexDefinition& index) {
  std::string out;
  for (const std::string& word : create_command(index)) {
    if (!out.empty()) out += ' ';
    const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
             std::string_view("_.:-").find(c) != std::string_view::npos;
    });
    out += plain ? word : "'" + word + "'";
  }
  return out;
}

std::vector<std::string> index_differences(const IndexDefinition& wanted, const Reply& info) {
  std::vector<std::string> out;
  const Reply* definition = info.find("index_definition");
  const Reply* attributes = info.find("attributes");
  if (definition == nullptr || attributes == nullptr) return {"its definition cannot be read"};
  const std::string kind = wanted.on_json ? "JSON" : "HASH";
  if (const std::string there = text_at(*definition, "key_type"); there != kind) {
    out.push_back("it is on " + there + " instead of " + kind);
  }
  const Reply* prefixes = definition->find("prefixes");
  const bool same_prefix = prefixes != nullptr && prefixes->elements.size() == 1 &&
                           prefixes->elements.front().text == wanted.prefix;
  if (!same_prefix) out.push_back("its prefixes are not just " + wanted.prefix);
  for (const IndexField& field : wanted.fields) {
    const auto there = std::find_if(
        attributes->elements.begin(), attributes->elements.end(),
        [&](const Reply& attribute) { return text_at(attribute, "attribute") == field.attribute; });
    if (there == attributes->elements.end()) {
      out.push_back("field " + field.attribute + " is missing");
    } else {
      compare_field(field, *there, out);
    }
  }
  for (const Reply& attribute : attributes->elements) {
    const std::string name = text_at(attribute, "attribute");
    const auto asked = std::find_if(wanted.fields.begin(), wanted.fields.end(),
                                    [&](const IndexField& field) { return field.attribute == name; });
    if (asked == wanted.fields.end()) out.push_back("field " + name + " is one too many");
  }
  return out;
}

IndexHealth index_health(const Reply& info) {
  IndexHealth health;
  const Reply* fields = info.find("field statistics");
  if (fields == nullptr) {
    // Before search 2.8 there is only the total.
    if (const Reply* all = info.find("hash_indexing_failures")) health.failures = all->as_integer();
    return health;
  }
  for (const Reply& field : fields->elements) {
    const Reply* errors = field.find("Index Errors");
    const Reply* count = errors == nullptr ? nullptr : errors->find("indexing failures");
    if (count == nullptr || count->as_integer() <= 0) continue;
    health.failures += count->as_integer();
    health.fields.push_back(text_at(field, "attribute"));
  }
  // A value of a JSON type that the field cannot be is counted in the total only. The total also counts each
  // document that was removed while its indexing was due, which is no fault and leaves no error behind.
  const Reply* errors = info.find("Index Errors");
  const Reply* total = errors == nullptr ? nullptr : errors->find("indexing failures");
  if (total != nullptr && text_at(*errors, "last indexing error") != "N/A") {
    health.failures = std::max(health.failures, total->as_integer());
  }
  return health;
}

bool is_unknown_index(std::string_view error) {
  const std::string text = upper(error);
  return text.find("UNKNOWN INDEX NAME") != std::string::npos ||
         text.find("NO SUCH INDEX") != std::string::npos;
}

}  // namespace millrace::redis
