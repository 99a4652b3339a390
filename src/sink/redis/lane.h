#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/pattern.h"
#include "connect/sink.h"
#include "sink/redis/parked_keys.h"
#include "sink/redis/position.h"
#include "sink/redis/settings.h"
#include "sink/redis/target/commands.h"
#include "sink/redis/target/encoder.h"

namespace millrace::redis {

/// One output at work: which rows it takes, how they are overlaid and written. One thread.
class Lane {
 public:
  explicit Lane(const Output& output);

  /// The batch whose rows come next; see Encoder::begin.
  void begin(const ReadBatch& rows, bool replayed);
  /// Whether the row of the batch begun last goes here.
  [[nodiscard]] bool takes(std::uint32_t row) const {
    return takes_.empty() || takes_[batch_->records()[row].topic];
  }

  [[nodiscard]] bool takes_topic(std::string_view topic) const;
  [[nodiscard]] const std::string& name() const { return name_; }

  [[nodiscard]] Encoder& encoder() { return encoder_; }
  [[nodiscard]] CommandWriter& writer() { return writer_; }
  /// Its rows that Redis lacks.
  [[nodiscard]] ParkedKeys& parked() { return parked_; }
  [[nodiscard]] const Target& target() const { return encoder_.target(); }

  /// Whether the fields that hashes had are to be remembered beside the position; under which name for a
  /// topic; and what was remembered of all outputs.
  [[nodiscard]] bool keeps_columns() const { return target().keeps_columns(); }
  [[nodiscard]] std::string columns_name(std::string_view topic) const;
  void know_columns(const std::vector<TopicColumns>& known);

 private:
  std::string name_;
  std::vector<std::string> topics_;
  PatternList patterns_;
  Encoder encoder_;
  CommandWriter writer_;
  ParkedKeys parked_;
  const Batch* batch_ = nullptr;
  std::vector<bool> takes_;  // by topic of the batch; empty: all
};

}  // namespace millrace::redis
