#include "sink/redis/extra_finder.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "sink/redis/entry_place.h"

namespace millrace::redis {

bool ExtraFinder::looks_at(const Target& target) {
  const TargetTraits& traits = traits_of(target.type);
  return !traits.is_history && !traits.has_members && !target.nest;
}

void ExtraFinder::begin(const ScanTable& table) {
  topic_ = table.topic;
  schema_ = table.schema;
  noted_.assign(lanes_.size(), {});
  sorted_ = false;
  lane_ = 0;
  node_ = 0;
  cursor_.assign(1, '0');  // not "0": g++ 12 warns of an overlap that is none
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (!lanes_[i]->takes_topic(topic_)) continue;
    PlanCache& plans = lanes_[i]->encoder().plans();
    static_cast<void>(plans.plan(topic_, schema_));
    const auto keys = plans.keys_of(topic_);
    noted_[i].keys.assign(keys.begin(), keys.end());
  }
}

void ExtraFinder::note(const Lane& lane, std::string_view key) {
  if (!looks_at(lane.target())) return;
  const auto at = std::ranges::find(lanes_, &lane, [](const auto& one) { return one.get(); });
  noted_[static_cast<std::size_t>(at - lanes_.begin())].hashes.push_back(std::hash<std::string_view>()(key));
}

Result<bool> ExtraFinder::find(std::vector<ExtraEntry>& out) {
  if (!std::exchange(sorted_, true)) {
    for (Noted& noted : noted_) std::ranges::sort(noted.hashes);
  }
  const auto is_looked_at = [this](std::size_t i) {
    return lanes_[i]->takes_topic(topic_) && looks_at(lanes_[i]->target()) && !noted_[i].keys.empty();
  };
  while (lane_ < lanes_.size() && !is_looked_at(lane_)) ++lane_;
  if (lane_ == lanes_.size()) return true;
  const Lane& lane = *lanes_[lane_];
  const Noted& noted = noted_[lane_];
  auto found = servers_.call(node_, {"SCAN", cursor_, "MATCH", noted.keys.back().pattern(), "COUNT", "1000",
                                     "TYPE", std::string(traits_of(lane.target().type).redis_type)});
  if (!found) return std::move(found).error();
  if (found->is_error() || found->elements.size() != 2) return reply_error("SCAN", found->text);
  take_keys(lane, noted, found->elements[1], out);
  cursor_ = found->elements[0].text;
  if (cursor_ == "0" && ++node_ == servers_.size()) {
    node_ = 0;
    ++lane_;
  }
  return false;
}

/// By the form that keys of the table have now.
void ExtraFinder::take_keys(const Lane& lane, const Noted& noted, const Reply& keys,
                            std::vector<ExtraEntry>& out) const {
  const RowKey& form = noted.keys.back();
  for (const Reply& key : keys.elements) {
    if (std::ranges::binary_search(noted.hashes, std::hash<std::string_view>()(key.text))) continue;
    const auto values = form.values_of(key.text);
    if (!values || owned_.may_be_of_another(lane, topic_, key.text)) continue;
    ExtraEntry entry{.output = lane.name(), .place = key.text, .handle = EntryPlace{key.text, {}}.handle()};
    for (std::size_t i = 0; i < values->size(); ++i)
      entry.name.emplace_back(schema_->columns[form.columns()[i]].name, (*values)[i]);
    out.push_back(std::move(entry));
  }
}

}  // namespace millrace::redis
