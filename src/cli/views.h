#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/runtime.h"

namespace millrace {

/// A connector as people are shown it; from HTTP's JSON or from the runtime.
struct ConnectorView {
  std::string name;
  std::string kind;
  std::string state;
  std::string message;
  std::string hint;
  std::string position;
  std::int64_t lag_bytes = -1;
  std::int64_t lag_ms = -1;
  std::int64_t rows = 0;
  std::int64_t errors = 0;
  std::int64_t dead_letters = 0;
  SnapshotProgress snapshot;
  std::vector<std::string> warnings;
};

struct TopicView {
  std::string topic;
  std::int64_t first_offset = 0;
  std::int64_t next_offset = 0;
  std::int64_t bytes = 0;
};

struct DeadLetterView {
  std::int64_t id = 0;
  std::string at;
  std::string state;
  std::string topic;
  std::string output;  ///< empty: the sink has one
  std::string target_key;
  std::string error;
};

struct LetterGroupView {
  std::int64_t count = 0;
  std::string first_at;
  std::string last_at;
  std::string topic;
  std::string output;
  std::string error;
};

struct LetterOperationView {
  std::int64_t operation = 0;
  std::string state;
  std::string message;
  std::int64_t matched = 0;
  std::int64_t done = 0;
  std::int64_t failed = 0;
  std::int64_t superseded = 0;
  std::int64_t held = 0;
  std::int64_t dropped = 0;
};

[[nodiscard]] ConnectorView view_of(const ConnectorStatus& status);

/// Of the answers of /api/v1/status, /api/v1/topics and .../dead-letters. An error when they are of another
/// form.
[[nodiscard]] Result<std::vector<ConnectorView>> parse_status(std::string_view json);
[[nodiscard]] Result<std::vector<TopicView>> parse_topics(std::string_view json);
[[nodiscard]] Result<std::vector<DeadLetterView>> parse_dead_letters(std::string_view json);
[[nodiscard]] Result<std::vector<LetterGroupView>> parse_letter_groups(std::string_view json);
[[nodiscard]] Result<LetterOperationView> parse_letter_operation(std::string_view json);
/// `message` of an error answer; the answer itself when it has none.
[[nodiscard]] std::string parse_error_message(std::string_view json);

/// A lag for people.
[[nodiscard]] std::string human_millis(std::int64_t millis);

/// Tables for people, what is wrong below.
[[nodiscard]] std::string status_table(const std::vector<ConnectorView>& connectors);
[[nodiscard]] std::string topics_table(const std::vector<TopicView>& topics);
[[nodiscard]] std::string dead_letters_table(const std::vector<DeadLetterView>& letters);
[[nodiscard]] std::string letter_groups_table(const std::vector<LetterGroupView>& groups);
/// What an operation came to, in a line.
[[nodiscard]] std::string operation_text(const LetterOperationView& operation);

}  // namespace millrace
