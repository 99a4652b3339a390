#include "sink/redis/earlier_keys.h"

#include <algorithm>
#include <utility>

#include "base/pattern.h"
#include "base/text.h"
#include "sink/redis/output_notes.h"
#include "sink/redis/target/target.h"

namespace millrace::redis {
namespace {

bool is_named(const std::vector<std::string>& topics, const PatternList& patterns, const std::string& topic) {
  return std::ranges::count(topics, topic) > 0 || patterns.matches(topic);
}

}  // namespace

Result<EarlierKeys> earlier_keys(std::string_view form, std::span<const ScanTable> tables) {
  const std::string written(form_option(form, "target.key"));
  const auto left = [&](const std::string& why) {
    return reject_error("keys of an earlier form (" + (written.empty() ? "the default key" : written) +
                        ") stay: " + why);
  };
  const TargetType type = target_type_of(form_option(form, "target.type"));
  const TargetTraits& traits = traits_of(type);
  if (!form_option(form, "target.nest").empty()) return EarlierKeys{};  // they were the parents'
  if (traits.is_history) return left("streams are a history; remove them with UNLINK when it is not needed");
  const bool shared = traits.has_members;
  auto key_template =
      KeyTemplate::parse(written, shared ? KeyTemplate::Keys::kShared : KeyTemplate::Keys::kOfRows);
  if (!key_template) return left(key_template.error().message);
  const std::vector<std::string> topics = split_list(form_option(form, "topics"));
  const auto patterns = PatternList::compile(split_list(form_option(form, "topics.regex")), false);
  if (!patterns) return left(patterns.error().message);
  EarlierKeys out;
  out.redis_type = traits.redis_type;
  std::vector<std::string> missing = topics;
  for (const ScanTable& table : tables) {
    if (!is_named(topics, *patterns, table.topic) || table.schema == nullptr) continue;
    std::erase(missing, table.topic);
    if (!table.unfit.empty())
      return left("rows of table " + table.name +
                  " may be nowhere else, as they could not be compared: " + table.unfit);
    auto key = RowKey::make(*key_template, table.topic, *table.schema);
    if (!key) return left(key.error().message);
    out.keys.push_back(std::move(*key));
  }
  if (!missing.empty())
    return left("topic " + missing.front() +
                " is no longer captured, so its keys cannot be told from others");
  return out;
}

}  // namespace millrace::redis
