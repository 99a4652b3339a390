#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "connect/task_context.h"
#include "sink/redis/client.h"
#include "sink/redis/index.h"
#include "sink/redis/pipeline.h"

namespace millrace::redis {

/// Creates a sink's search indexes where they are missing, and watches for documents that an index leaves
/// out: Redis stores such a document without an error, only FT.INFO tells. One thread; lives no longer than
/// the context.
class IndexWatch {
 public:
  IndexWatch(std::vector<IndexDefinition> indexes, std::int64_t poll_ms, TaskContext& context);

  /// With nothing in flight. An index that is there with another definition is a warning and stays as it is.
  [[nodiscard]] Status create_missing(Client& client);
  /// Puts FT.INFO for each index into the pipeline when it is time again and the last answers have come.
  void ask_if_due(Client& client, Pipeline& pipeline);
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  struct Watched {
    IndexDefinition definition;
    std::string difference;
    std::string failures;
    std::int64_t failure_count = 0;
    bool asked = false;
  };
  void take(Watched& index, const Reply& info);

  std::vector<Watched> indexes_;
  std::int64_t poll_us_;
  TaskContext& context_;
  std::int64_t next_us_ = 0;
};

}  // namespace millrace::redis
