#include "runtime/topic_filter.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/pattern.h"

namespace millrace {
namespace {

struct Chosen {
  std::set<std::string, std::less<>> names;
  PatternList patterns;
  std::map<std::string, bool, std::less<>> known;  // what the patterns said
};

bool has_option(const ConnectorSpec& spec, std::string_view name) {
  return std::ranges::any_of(spec.options, [name](const OptionSpec& option) { return option.name == name; });
}

bool takes(Chosen& chosen, std::string_view topic) {
  if (chosen.names.contains(topic)) return true;
  if (chosen.patterns.empty()) return false;
  auto known = chosen.known.find(topic);
  if (known == chosen.known.end()) {
    known = chosen.known.emplace(std::string(topic), chosen.patterns.matches(topic)).first;
  }
  return known->second;
}

}  // namespace

Result<TopicFilter> make_topic_filter(const ConnectorSpec& spec, const ConnectorConfig& config) {
  auto chosen = std::make_shared<Chosen>();
  if (has_option(spec, "topics") && config.has("topics")) {
    for (std::string& name : config.list("topics")) chosen->names.insert(std::move(name));
  }
  if (has_option(spec, "topics.regex") && config.has("topics.regex")) {
    Result<PatternList> patterns = PatternList::compile(config.list("topics.regex"), false);
    if (!patterns) return std::move(patterns).error();
    chosen->patterns = std::move(*patterns);
  }
  if (chosen->names.empty() && chosen->patterns.empty()) {
    return stop_error("sink " + config.connector() + " takes no topics",
                      "give topics: a list of names such as shop.public.flights, or topics.regex: a pattern");
  }
  return TopicFilter([chosen](std::string_view topic) { return takes(*chosen, topic); });
}

}  // namespace millrace
