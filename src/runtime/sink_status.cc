// The part of SinkStage that tells others how it stands.
#include <algorithm>
#include <utility>

#include "runtime/sink_stage.h"

namespace millrace {
namespace {

constexpr std::int64_t kPublishUs = 500'000;
constexpr std::size_t kWarnedTopics = 20;

}  // namespace

void SinkStage::show_state(ConnectorState state) {
  heartbeat_.beat(now());
  board_.update([state](ConnectorStatus& status) {
    status.state = state;
    status.message.clear();
    status.hint.clear();
  });
}

void SinkStage::show_error(ConnectorState state, const Error& error) {
  board_.update([&](ConnectorStatus& status) {
    status.state = state;
    status.message = error.message;
    status.hint = error.hint;
  });
}

void SinkStage::warn_of_incomplete_start(const SinkStart& start) {
  if (start.emptied) {
    settings_.logger.warn(
        "target holds nothing of this log: it is filled again from the oldest rows of the log",
        {{"connector", settings_.name}});
  }
  if (!start.first && !start.emptied) return;
  warnings_.clear();
  Result<std::vector<TopicInfo>> topics = settings_.log.topics();
  if (!topics) return;
  for (const TopicInfo& topic : *topics) {
    if (topic.first_offset == 0 || !wants_(topic.topic) || warnings_.size() >= kWarnedTopics) continue;
    warnings_.push_back("topic " + topic.topic + " begins at offset " + std::to_string(topic.first_offset) +
                        ": retention has removed the rows before it, so this sink starts incomplete; "
                        "`millrace rebuild` fills "
                        "it from the tables");
    settings_.logger.warn("sink starts incomplete",
                          {{"connector", settings_.name},
                           {"topic", std::string_view(topic.topic)},
                           {"first_offset", static_cast<std::int64_t>(topic.first_offset)}});
  }
}

void SinkStage::warn_of_dead_letters(const std::vector<LetterWarnings::Warning>& warnings) {
  for (const LetterWarnings::Warning& one : warnings) {
    settings_.logger.warn("rows could not be applied and are parked; `millrace dead-letters` lists them",
                          {{"connector", settings_.name},
                           {"rows", one.rows},
                           {"topic", std::string_view(one.topic)},
                           {"error", std::string_view(one.error)}});
  }
}

void SinkStage::publish(bool at_once) {
  if (!at_once && now() - published_us_ < kPublishUs) return;
  published_us_ = now();
  warn_of_dead_letters(letter_warnings_.due(now()));
  count_dead_letters();
  SinkStatus sink;
  if (open_) sink = sink_->status();
  std::int64_t lag_bytes = -1;
  std::int64_t lag_ms = -1;
  if (settled_) {
    if (Result<Log::Backlog> backlog = settings_.log.backlog(durable_); backlog) {
      lag_bytes = static_cast<std::int64_t>(backlog->bytes);
      lag_ms = backlog->oldest_us == 0
                   ? 0
                   : std::max<std::int64_t>(0, (settings_.clock.wall_us() - backlog->oldest_us) / 1000);
    }
  }
  metrics_.lag_bytes.set(lag_bytes);
  metrics_.lag_ms.set(lag_ms);
  board_.update([&](ConnectorStatus& status) {
    if (settled_) status.position = durable_.text();
    status.as_of_us = settings_.clock.wall_us();
    status.lag_bytes = lag_bytes;
    status.lag_ms = lag_ms;
    status.warnings = warnings_;
    status.warnings.insert(status.warnings.end(), std::make_move_iterator(sink.warnings.begin()),
                           std::make_move_iterator(sink.warnings.end()));
  });
}

void SinkStage::count_dead_letters() {
  const LetterCounts counts = settings_.log.dead_letter_counts(settings_.name);
  metrics_.dead_letters.set(static_cast<std::int64_t>(counts.open));
  if (counts.ever > letters_ever_) metrics_.dead_letters_parked.add(counts.ever - letters_ever_);
  letters_ever_ = counts.ever;
  board_.update([&counts](ConnectorStatus& status) {
    status.dead_letters = counts.open;
    status.dead_letters_ever = counts.ever;
  });
}

}  // namespace millrace
