#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "connect/spec.h"

namespace millrace {

using TopicFilter = std::function<bool(std::string_view topic)>;

/// The topics a sink takes, from its options `topics` (exact names) and `topics.regex` (patterns, anchored);
/// a topic in either is taken. Neither given is an error. The filter is for one thread.
[[nodiscard]] Result<TopicFilter> make_topic_filter(const ConnectorSpec& spec, const ConnectorConfig& config);

}  // namespace millrace
