#include "sink/redis/lane.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace millrace::redis {
namespace {

constexpr char kBehindOutput = '/';  // in no name of an output

}  // namespace

Lane::Lane(const Output& output)
    : name_(output.name),
      topics_(output.topics),
      encoder_(output.target, output.name),
      writer_(output.target),
      parked_(!traits_of(output.target.type).is_history) {
  auto patterns = PatternList::compile(output.topic_patterns, false);
  MILLRACE_CHECK(patterns.has_value());  // checked with the settings
  patterns_ = std::move(*patterns);
}

void Lane::begin(const ReadBatch& rows, bool replayed) {
  encoder_.begin(rows, replayed);
  batch_ = rows.batch.get();
  if (topics_.empty() && patterns_.empty()) return;
  takes_.clear();
  for (const std::string_view topic : batch_->topics()) takes_.push_back(takes_topic(topic));
}

bool Lane::takes_topic(std::string_view topic) const {
  if (topics_.empty() && patterns_.empty()) return true;
  return std::ranges::count(topics_, topic) > 0 || patterns_.matches(topic);
}

std::string Lane::columns_name(std::string_view topic) const {
  return name_.empty() ? std::string(topic) : name_ + kBehindOutput + std::string(topic);
}

void Lane::know_columns(const std::vector<TopicColumns>& known) {
  if (!keeps_columns()) return;
  const std::string prefix = columns_name({});
  for (const TopicColumns& columns : known) {
    const bool of_another = name_.empty() && columns.topic.find(kBehindOutput) != std::string::npos;
    if (of_another || !columns.topic.starts_with(prefix)) continue;
    encoder_.plans().know_columns(columns.topic.substr(prefix.size()), columns.names);
  }
  encoder_.plans().repeat_columns();
}

}  // namespace millrace::redis
