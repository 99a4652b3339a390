#include "sink/redis/index/index_field.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "base/text.h"
#include "format/json_writer.h"
#include "sink/redis/index/index_words.h"

namespace millrace::redis {
namespace {

enum class Takes : std::uint8_t { kNothing, kNumber, kCount, kCharacter, kPhonetic, kVectorType, kMetric };

struct Argument {
  std::string_view name;
  Takes takes = Takes::kNothing;
};

using enum Takes;

// In the order of FT.CREATE: what belongs to the type, then what all fields have.
constexpr Argument kText[] = {{"WEIGHT", kNumber}, {"NOSTEM"},     {"PHONETIC", kPhonetic},
                              {"WITHSUFFIXTRIE"},  {"INDEXEMPTY"}, {"INDEXMISSING"},
                              {"SORTABLE"},        {"UNF"},        {"NOINDEX"}};
constexpr Argument kTag[] = {{"SEPARATOR", kCharacter},
                             {"CASESENSITIVE"},
                             {"WITHSUFFIXTRIE"},
                             {"INDEXEMPTY"},
                             {"INDEXMISSING"},
                             {"SORTABLE"},
                             {"UNF"},
                             {"NOINDEX"}};
constexpr Argument kPlain[] = {{"INDEXMISSING"}, {"SORTABLE"}, {"UNF"}, {"NOINDEX"}};
constexpr Argument kShape[] = {{"FLAT"}, {"SPHERICAL"}, {"INDEXMISSING"}, {"SORTABLE"}, {"UNF"}, {"NOINDEX"}};
constexpr Argument kFlat[] = {{"TYPE", kVectorType},
                              {"DIM", kCount},
                              {"DISTANCE_METRIC", kMetric},
                              {"INITIAL_CAP", kCount},
                              {"BLOCK_SIZE", kCount}};
constexpr Argument kHnsw[] = {{"TYPE", kVectorType},   {"DIM", kCount},     {"DISTANCE_METRIC", kMetric},
                              {"INITIAL_CAP", kCount}, {"M", kCount},       {"EF_CONSTRUCTION", kCount},
                              {"EF_RUNTIME", kCount},  {"EPSILON", kNumber}};

struct FieldType {
  std::string_view name;
  std::span<const Argument> arguments;
};
constexpr FieldType kTypes[] = {{"TAG", kTag},   {"TEXT", kText},      {"NUMERIC", kPlain},
                                {"GEO", kPlain}, {"GEOSHAPE", kShape}, {"VECTOR", {}}};

template <std::size_t N>
bool is_one_of(std::string_view text, const std::string_view (&all)[N]) {
  return std::ranges::find(all, text) != std::end(all);
}

/// What `text` should have been; empty when it is right. Names are put into capitals.
std::string_view expected(Takes takes, std::string& text) {
  static constexpr std::string_view kPhonetics[] = {"dm:en", "dm:fr", "dm:pt", "dm:es"};
  static constexpr std::string_view kVectorTypes[] = {"FLOAT32", "FLOAT64", "FLOAT16", "BFLOAT16"};
  static constexpr std::string_view kMetrics[] = {"L2", "IP", "COSINE"};
  if (takes == kNumber && !(number_of(text) > 0)) return "a number above 0";
  if (takes == kCount) {
    const auto count = parse_int64(text);
    if (!count || *count <= 0) return "a whole number above 0";
  }
  if (takes == kCharacter && text.size() != 1) return "one character";
  if (takes == kPhonetic && !is_one_of(text, kPhonetics)) return "dm:en, dm:fr, dm:pt or dm:es";
  if (takes == kVectorType || takes == kMetric) text = in_capitals(text);
  if (takes == kVectorType && !is_one_of(text, kVectorTypes)) return "FLOAT32, FLOAT64, FLOAT16 or BFLOAT16";
  if (takes == kMetric && !is_one_of(text, kMetrics)) return "L2, IP or COSINE";
  return {};
}

using Given = std::vector<std::pair<std::string, std::string>>;

const std::pair<std::string, std::string>* find_given(const Given& given, std::string_view name) {
  const auto found = std::ranges::find(given, name, &Given::value_type::first);
  return found == given.end() ? nullptr : &*found;
}

/// Reads one argument from the front of `words`.
Status take_argument(std::string_view type, std::span<const Argument> known,
                     std::span<const std::string>& words, Given& given) {
  const std::string name = in_capitals(words.front());
  const auto found = std::ranges::find(known, name, &Argument::name);
  if (found == known.end()) {
    std::vector<std::string_view> names;
    std::string all;
    for (const Argument& one : known) {
      names.push_back(one.name);
      all += (all.empty() ? "" : ", ") + std::string(one.name);
    }
    const std::string_view nearest = nearest_name(name, names);
    return stop_error(
        std::string(type) + " has no argument " + name,
        nearest.empty() ? "it takes " + all : "did you mean " + std::string(nearest) + "? It takes " + all);
  }
  if (find_given(given, name) != nullptr) return stop_error(name + " is there twice", "leave one out");
  words = words.subspan(1);
  std::string value;
  if (found->takes != kNothing) {
    if (words.empty()) return stop_error(name + " has no value");
    value = words.front();
    words = words.subspan(1);
    if (const std::string_view wanted = expected(found->takes, value); !wanted.empty()) {
      return stop_error(name + " takes " + std::string(wanted));
    }
  }
  given.emplace_back(name, std::move(value));
  return {};
}

/// In the order of `known`.
void append_given(std::span<const Argument> known, const Given& given, std::vector<std::string>& out) {
  for (const Argument& one : known) {
    const auto* there = find_given(given, one.name);
    if (there == nullptr) continue;
    out.push_back(there->first);
    if (one.takes != kNothing) out.push_back(there->second);
  }
}

Status read_vector(std::span<const std::string> words, std::vector<std::string>& out) {
  const std::string algorithm = words.empty() ? "" : in_capitals(words.front());
  if (algorithm != "FLAT" && algorithm != "HNSW") {
    return stop_error("VECTOR is followed by FLAT or HNSW",
                      "write for example VECTOR HNSW TYPE FLOAT32 DIM 384 DISTANCE_METRIC COSINE");
  }
  words = words.subspan(1);
  const std::int64_t count = words.empty() ? -1 : parse_int64(words.front()).value_or(-1);
  if (count >= 0) words = words.subspan(1);
  const std::span<const Argument> known = algorithm == "FLAT" ? std::span<const Argument>(kFlat) : kHnsw;
  Given given;
  bool missing_indexed = false;
  while (!words.empty()) {
    if (in_capitals(words.front()) == "INDEXMISSING" && words.size() == 1) {
      missing_indexed = true;
      break;
    }
    MILLRACE_TRY(take_argument("VECTOR " + algorithm, known, words, given));
  }
  for (const std::string_view name : {"TYPE", "DIM", "DISTANCE_METRIC"}) {
    if (find_given(given, name) == nullptr) {
      return stop_error("the vector has no " + std::string(name), "TYPE, DIM and DISTANCE_METRIC are needed");
    }
  }
  const std::size_t words_of_arguments = 2 * given.size();
  if (count >= 0 && count != static_cast<std::int64_t>(words_of_arguments)) {
    return stop_error("the vector's arguments are " + std::to_string(words_of_arguments) + " words, not " +
                          std::to_string(count),
                      "leave the number out");
  }
  out.push_back(algorithm);
  out.push_back(std::to_string(words_of_arguments));
  append_given(known, given, out);
  if (missing_indexed) out.emplace_back("INDEXMISSING");
  return {};
}

Result<std::vector<std::string>> read_type(std::string_view text) {
  const std::vector<std::string> all = words_of(text);
  const std::string name = all.empty() ? "" : in_capitals(all.front());
  const auto type = std::ranges::find(kTypes, name, &FieldType::name);
  if (type == std::end(kTypes)) {
    return stop_error("a field type begins with TAG, TEXT, NUMERIC, GEO, GEOSHAPE or VECTOR",
                      "write for example NUMERIC SORTABLE");
  }
  std::vector<std::string> out = {name};
  std::span<const std::string> words = std::span(all).subspan(1);
  if (name == "VECTOR") {
    MILLRACE_TRY(read_vector(words, out));
    return out;
  }
  Given given;
  while (!words.empty()) MILLRACE_TRY(take_argument(name, type->arguments, words, given));
  if (find_given(given, "UNF") != nullptr && find_given(given, "SORTABLE") == nullptr) {
    return stop_error("UNF is a way to be SORTABLE", "write SORTABLE UNF");
  }
  if (find_given(given, "FLAT") != nullptr && find_given(given, "SPHERICAL") != nullptr) {
    return stop_error("GEOSHAPE is FLAT or SPHERICAL, not both", "leave one out");
  }
  append_given(type->arguments, given, out);
  return out;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }) && !(name.front() >= '0' && name.front() <= '9');
}

/// Names between dots, and what they are called together.
void set_path(std::string_view name, IndexField& field) {
  field.attribute.clear();
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('.'));
    name.remove_prefix(std::min(name.size(), part.size() + 1));
    if (part.empty()) continue;
    if (!field.attribute.empty()) field.attribute += '_';
    field.attribute += part;
    field.path.emplace_back(part);
  }
  field.identifier = index_path(field.path);
}

/// Cuts ` as <attribute>` off `name`; empty when it is not there.
std::string_view take_alias(std::string_view& name) {
  for (const std::string_view word : {" as ", " AS "}) {
    const std::size_t at = name.rfind(word);
    if (at == std::string_view::npos) continue;
    const std::string_view alias = name.substr(at + word.size());
    name = name.substr(0, at);
    return alias;
  }
  return {};
}

}  // namespace

std::string index_path(const std::vector<std::string>& names) {
  std::string out = "$";
  for (const std::string& name : names) {
    if (is_plain_name(name)) {
      out += '.' + name;
    } else {
      out += '[';
      append_json_name(out, name);
      out += ']';
    }
  }
  return out;
}

bool IndexField::has(std::string_view word) const { return std::ranges::find(type, word) != type.end(); }

std::optional<std::string> IndexField::value(std::string_view word) const {
  const auto found = std::ranges::find(type, word);
  if (found == type.end() || found + 1 == type.end()) return std::nullopt;
  return *(found + 1);
}

Result<IndexField> parse_index_field(std::string_view name, std::string_view type, bool on_json) {
  IndexField field;
  auto words = read_type(type);
  if (!words) return std::move(words).error();
  field.type = std::move(*words);
  const std::string_view alias = take_alias(name);
  field.attribute = name;
  field.identifier = name;
  if (on_json && name.starts_with('$')) {
    if (alias.empty())
      return stop_error("a JSONPath has no name to query by", "write for example \"$.delay as delay\"");
  } else if (on_json) {
    set_path(name, field);
  } else {
    field.path.emplace_back(name);
  }
  if (!alias.empty()) field.attribute = alias;
  if (field.attribute.empty()) return stop_error("a field has no name");
  return field;
}

}  // namespace millrace::redis
