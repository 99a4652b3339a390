#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "connect/config.h"
#include "connect/setting_faults.h"
#include "sink/redis/target/target.h"

namespace millrace::redis {

/// Which of the sink's topics go where.
struct Output {
  std::string name;                         ///< empty: the only one, given by the sink's own options
  std::vector<std::string> topics;          ///< none here and below: all that the sink takes
  std::vector<std::string> topic_patterns;  ///< anchored regular expressions
  Target target;
  /// The options that decide what is written for a row and where, a line `<option>: <value>` each.
  std::string form;
};

/// The topics that the sink's own options name.
struct SinkTopics {
  std::vector<std::string> names;
  bool by_pattern = false;
};

/// The topics whose rows go to an output of the sink.
[[nodiscard]] SinkTopics topics_of(const Output& output, const SinkTopics& topics);

/// The outputs that `outputs.<output>.*` name, what they leave out taken from the options without that
/// prefix; without any, one by these. What is wrong is added to `faults`. At least one.
[[nodiscard]] std::vector<Output> read_outputs(const ConnectorConfig& config, const SinkTopics& topics,
                                               SettingFaults& faults);

/// What all keys of an output begin with, when that can be told before the first row; else empty. Pure.
[[nodiscard]] std::string common_prefix(const Output& output, const SinkTopics& topics);

/// An error when two of the topics could write the same keys: several (or a pattern) and a template that
/// does not tell them apart. Pure.
[[nodiscard]] Status check_topics_apart(const KeyTemplate& key_template, const SinkTopics& topics);

}  // namespace millrace::redis
