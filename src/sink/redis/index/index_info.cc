#include "sink/redis/index/index_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "sink/redis/index/index_words.h"

namespace millrace::redis {
namespace {

constexpr std::array<std::string_view, 7> kFlags = {
    "SORTABLE", "NOSTEM", "NOINDEX", "CASESENSITIVE", "WITHSUFFIXTRIE", "INDEXEMPTY", "INDEXMISSING"};

bool has_word(const Reply& array, std::string_view word) {
  return std::ranges::any_of(array.elements, [word](const Reply& one) { return one.text == word; });
}

std::string text_at(const Reply& map, std::string_view name) {
  const Reply* value = map.find(name);
  return value == nullptr ? std::string() : value->as_text();
}

bool same_value(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const double left = number_of(a);
  return left != 0 && std::abs(left - number_of(b)) <= 1e-6 * std::abs(left);
}

/// `shown`: the name in FT.INFO; what is not shown is not compared.
void compare_value(const IndexField& wanted, std::string_view argument, std::string_view standard,
                   const Reply& there, std::string_view shown, std::vector<std::string>& out) {
  if (there.find(shown) == nullptr) return;
  const std::string is = text_at(there, shown);
  const std::string want = wanted.value(argument).value_or(std::string(standard));
  if (same_value(is, want)) return;
  out.push_back(fmt::format("field {} has {} {} instead of {}", wanted.attribute, argument,
                            is.empty() ? "none" : is, want.empty() ? "none" : want));
}

void compare_arguments(const IndexField& wanted, bool on_json, const Reply& there,
                       std::vector<std::string>& out) {
  const std::string& type = wanted.type.front();
  if (type == "TEXT") compare_value(wanted, "WEIGHT", "1", there, "WEIGHT", out);
  if (type == "TAG") compare_value(wanted, "SEPARATOR", on_json ? "" : ",", there, "SEPARATOR", out);
  if (type == "GEOSHAPE") {
    const std::string want = wanted.has("FLAT") ? "FLAT" : "SPHERICAL";
    const std::string is = text_at(there, "coord_system");
    if (!is.empty() && is != want)
      out.push_back("field " + wanted.attribute + " is " + is + " instead of " + want);
  }
  if (type != "VECTOR") return;
  compare_value(wanted, "VECTOR", "", there, "algorithm", out);
  compare_value(wanted, "TYPE", "", there, "data_type", out);
  compare_value(wanted, "DIM", "", there, "dim", out);
  compare_value(wanted, "DISTANCE_METRIC", "", there, "distance_metric", out);
  compare_value(wanted, "M", "16", there, "M", out);
  compare_value(wanted, "EF_CONSTRUCTION", "200", there, "ef_construction", out);
}

void compare_field(const IndexField& wanted, bool on_json, const Reply& there,
                   std::vector<std::string>& out) {
  const std::string name = "field " + wanted.attribute;
  if (const std::string path = text_at(there, "identifier"); path != wanted.identifier) {
    out.push_back(name + " reads " + path + " instead of " + wanted.identifier);
  }
  const std::string type = text_at(there, "type");
  if (type != wanted.type.front()) {
    out.push_back(name + " is " + type + " instead of " + wanted.type.front());
  }
  for (const std::string_view flag : kFlags) {
    const bool want = wanted.has(flag);
    if (want == has_word(there, flag)) continue;
    out.push_back(name + (want ? " is not " : " is ") + std::string(flag));
  }
  if (type == wanted.type.front()) compare_arguments(wanted, on_json, there, out);
}

void compare_definition(const IndexDefinition& wanted, const Reply& there, std::vector<std::string>& out) {
  const std::string kind = wanted.on_json ? "JSON" : "HASH";
  if (const std::string is = text_at(there, "key_type"); is != kind) {
    out.push_back("it is on " + is + " instead of " + kind);
  }
  const auto& prefixes = wanted.prefixes;
  const Reply* is = there.find("prefixes");
  const bool same_prefixes =
      is != nullptr && std::ranges::is_permutation(is->elements, prefixes, {}, &Reply::text);
  if (!same_prefixes) out.push_back(fmt::format("its prefixes are not just {}", fmt::join(prefixes, ", ")));
  const auto compare = [&](std::string_view shown, const std::string& want, std::string_view what) {
    const std::string value = text_at(there, shown);
    if (same_value(value, want)) return;
    out.push_back(fmt::format("its {} is {} instead of {}", what, value.empty() ? "none" : value,
                              want.empty() ? "none" : want));
  };
  compare("filter", wanted.filter, "filter");
  const bool english = wanted.language.empty() && text_at(there, "default_language") == "english";
  if (!english) compare("default_language", wanted.language, "language");
  if (!wanted.language_field.empty()) compare("language_field", wanted.language_field, "language field");
  compare("default_score", wanted.score.empty() ? "1" : wanted.score, "score");
  if (!wanted.score_field.empty()) compare("score_field", wanted.score_field, "score field");
}

void compare_options(const IndexDefinition& wanted, const Reply& info, std::vector<std::string>& out) {
  if (const Reply* there = info.find("index_options"); there != nullptr) {
    for (const std::string_view option : {"MAXTEXTFIELDS", "NOFREQS", "NOFIELDS", "NOOFFSETS", "NOHL"}) {
      const bool want = std::ranges::count(wanted.options, option) > 0;
      // Redis has no highlights without offsets, and shows it as an option of its own.
      if (option == "NOHL" && std::ranges::count(wanted.options, "NOOFFSETS") > 0) continue;
      if (want == has_word(*there, option)) continue;
      out.push_back(std::string(want ? "it is not " : "it is ") + std::string(option));
    }
  }
  const Reply* stopwords = info.find("stopwords_list");
  const bool same = wanted.has_stopwords
                        ? stopwords != nullptr && std::ranges::is_permutation(
                                                      stopwords->elements, wanted.stopwords, {}, &Reply::text)
                        : stopwords == nullptr;
  if (!same) out.emplace_back("it has other stopwords");
}

std::string without_quoted(std::string_view error) {
  std::string out;
  while (!error.empty()) {
    const std::size_t from = error.find_first_of("'\"`");
    out += error.substr(0, from);
    if (from == std::string_view::npos) break;
    const std::size_t to = error.rfind(error[from]);
    out += "...";
    error.remove_prefix(to + 1);
  }
  return out;
}

FieldFailures failures_in(const Reply& errors) {
  FieldFailures out;
  if (const Reply* count = errors.find("indexing failures")) out.count = count->as_integer();
  out.key = text_at(errors, "last indexing error key");
  out.error = without_quoted(text_at(errors, "last indexing error"));
  return out;
}

}  // namespace

std::vector<std::string> index_differences(const IndexDefinition& wanted, const Reply& info) {
  std::vector<std::string> out;
  const Reply* definition = info.find("index_definition");
  const Reply* attributes = info.find("attributes");
  if (definition == nullptr || attributes == nullptr) return {"its definition cannot be read"};
  compare_definition(wanted, *definition, out);
  compare_options(wanted, info, out);
  const auto name_of = [](const Reply& attribute) { return text_at(attribute, "attribute"); };
  for (const IndexField& field : wanted.fields) {
    const auto there = std::ranges::find(attributes->elements, field.attribute, name_of);
    if (there == attributes->elements.end()) {
      out.push_back("field " + field.attribute + " is missing");
    } else {
      compare_field(field, wanted.on_json, *there, out);
    }
  }
  for (const Reply& attribute : attributes->elements) {
    const auto asked = std::ranges::find(wanted.fields, name_of(attribute), &IndexField::attribute);
    if (asked == wanted.fields.end()) out.push_back("field " + name_of(attribute) + " is one too many");
  }
  return out;
}

IndexHealth index_health(const Reply& info) {
  IndexHealth health;
  health.name = name_in(info);
  if (const Reply* documents = info.find("num_docs")) health.documents = documents->as_integer();
  health.indexing = text_at(info, "indexing") == "1";
  if (health.indexing) health.share = number_of(text_at(info, "percent_indexed"));
  const Reply* fields = info.find("field statistics");
  if (fields == nullptr) {
    // Before search 2.8 there is only the total.
    if (const Reply* all = info.find("hash_indexing_failures")) health.failures = all->as_integer();
    return health;
  }
  for (const Reply& field : fields->elements) {
    const Reply* errors = field.find("Index Errors");
    if (errors == nullptr) continue;
    FieldFailures failures = failures_in(*errors);
    if (failures.count <= 0) continue;
    failures.field = text_at(field, "attribute");
    health.failures += failures.count;
    health.fields.push_back(std::move(failures));
  }
  // A value of a JSON type that the field cannot be is counted in the total only. The total also counts each
  // document that was removed while its indexing was due, which is no fault and leaves no error behind.
  const Reply* errors = info.find("Index Errors");
  if (errors == nullptr || text_at(*errors, "last indexing error") == "N/A") return health;
  FieldFailures rest = failures_in(*errors);
  rest.count -= health.failures;
  if (rest.count <= 0) return health;
  health.failures += rest.count;
  health.fields.push_back(std::move(rest));
  return health;
}

std::string name_in(const Reply& info) { return info.is_error() ? "" : text_at(info, "index_name"); }

bool is_unknown_index(std::string_view error) {
  const std::string text = in_capitals(error);
  return text.find("UNKNOWN INDEX NAME") != std::string::npos ||
         text.find("NO SUCH INDEX") != std::string::npos;
}

}  // namespace millrace::redis
