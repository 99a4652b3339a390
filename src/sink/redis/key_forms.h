#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sink/redis/output_settings.h"

namespace millrace::redis {

/// Tells by the texts of key templates whose a key is where those of several outputs or topics fit: that of
/// the one with more text in front of its first column (`flight:leg:7` is of `flight:leg:{id}`, not of
/// `flight:{code}`). Knows the topics that the settings name. Pure and immutable.
class KeyForms {
 public:
  KeyForms(std::span<const Output> outputs, const SinkTopics& topics);

  /// A key that rows of `topic` in `output` (by name) may have is rather that of other rows.
  [[nodiscard]] bool is_of_another(std::string_view output, std::string_view topic,
                                   std::string_view key) const;

 private:
  struct Form {
    std::string output;
    std::string topic;
    std::string text;  ///< see KeyTemplate::form
    bool nested;       ///< the keys are those of its parent
    [[nodiscard]] std::string_view prefix() const;
  };
  std::vector<Form> forms_;
};

}  // namespace millrace::redis
