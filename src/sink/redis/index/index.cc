#include "sink/redis/index/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace millrace::redis {
namespace {

void append_value(std::vector<std::string>& out, std::string_view option, const std::string& value) {
  if (value.empty()) return;
  out.emplace_back(option);
  out.push_back(value);
}

void append_list(std::vector<std::string>& out, std::string_view option,
                 const std::vector<std::string>& all) {
  out.emplace_back(option);
  out.push_back(std::to_string(all.size()));
  out.insert(out.end(), all.begin(), all.end());
}

std::vector<std::string> field_words(const IndexField& field) {
  std::vector<std::string> out = {field.identifier};
  if (field.identifier != field.attribute) {
    out.emplace_back("AS");
    out.push_back(field.attribute);
  }
  out.insert(out.end(), field.type.begin(), field.type.end());
  return out;
}

/// What stands between the name and the fields.
std::vector<std::string> head_words(const IndexDefinition& index) {
  std::vector<std::string> out = {"ON", index.on_json ? "JSON" : "HASH"};
  append_list(out, "PREFIX", index.prefixes);
  append_value(out, "FILTER", index.filter);
  append_value(out, "LANGUAGE", index.language);
  append_value(out, "LANGUAGE_FIELD", index.language_field);
  append_value(out, "SCORE", index.score);
  append_value(out, "SCORE_FIELD", index.score_field);
  out.insert(out.end(), index.options.begin(), index.options.end());
  if (index.has_stopwords) append_list(out, "STOPWORDS", index.stopwords);
  return out;
}

/// FNV-1a, which is the same on every machine and in every version.
class Digest {
 public:
  void add(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      for (const char c : word) add(c);
      add('\0');
    }
    add('\n');
  }
  [[nodiscard]] std::uint32_t folded() const { return static_cast<std::uint32_t>(state_ ^ (state_ >> 32U)); }

 private:
  void add(char c) { state_ = (state_ ^ static_cast<unsigned char>(c)) * 1099511628211ULL; }

  std::uint64_t state_ = 14695981039346656037ULL;
};

}  // namespace

std::string own_name(const IndexDefinition& index) {
  std::vector<std::vector<std::string>> fields;
  fields.reserve(index.fields.size());
  for (const IndexField& field : index.fields) fields.push_back(field_words(field));
  std::ranges::sort(fields);
  Digest digest;
  digest.add(head_words(index));
  for (const std::vector<std::string>& field : fields) digest.add(field);
  return fmt::format("{}@{:08x}", index.name, digest.folded());
}

std::vector<std::string> create_command(const IndexDefinition& index) {
  std::vector<std::string> out = {"FT.CREATE", own_name(index)};
  const auto append = [&out](const std::vector<std::string>& words) {
    out.insert(out.end(), words.begin(), words.end());
  };
  append(head_words(index));
  out.emplace_back("SCHEMA");
  for (const IndexField& field : index.fields) append(field_words(field));
  return out;
}

std::string create_text(const IndexDefinition& index) {
  std::string out;
  for (const std::string& word : create_command(index)) {
    if (!out.empty()) out += ' ';
    const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
             std::string_view("_.:-@").find(c) != std::string_view::npos;
    });
    out += plain ? word : "'" + word + "'";
  }
  return out;
}

}  // namespace millrace::redis
