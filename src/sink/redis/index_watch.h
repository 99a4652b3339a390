#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "connect/task_context.h"
#include "sink/redis/client/client.h"
#include "sink/redis/index/index_plan.h"
#include "sink/redis/pipeline.h"

namespace millrace::redis {

struct WatchOptions {
  std::int64_t poll_ms = 5'000;
  bool drop_removed = false;
  /// Rows of the output are not all in their form yet, so an index of them cannot take another's place.
  std::function<bool(const std::string& output)> is_behind = [](const std::string&) { return false; };
};

/// Brings a sink's search indexes to their definitions, and watches for documents that an index leaves out:
/// Redis stores such a document without an error, only FT.INFO tells. A new index is built beside the old one
/// while rows flow; what is there in Redis says how far that had come, so it goes on after a crash anywhere.
/// One thread; lives no longer than the context.
class IndexWatch {
 public:
  IndexWatch(std::vector<IndexDefinition> indexes, const WatchOptions& options, TaskContext& context);

  /// With nothing in flight. Makes what is missing, begins what is to be built anew, drops what was left
  /// over. An index that is not ours and differs is a warning and stays as it is.
  [[nodiscard]] Status prepare(Client& client);
  /// When it is time and the last answers have come: asks FT.INFO, and takes the next step of a change.
  void step_if_due(Client& client, Pipeline& pipeline);
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  struct Watched {
    IndexDefinition definition;
    IndexPlan plan;
    bool building = false;  ///< the index under its own name is to take the place of plan.there
    bool complete = false;  ///< it has read all documents
    bool moved = false;     ///< the alias is where it should be, the old index is still there
    std::string difference;
    std::string progress;
    std::string trouble;
    std::string failures;
    std::int64_t failure_count = 0;
    std::size_t asked = 0;  ///< replies that have not come
  };
  using OnReply = std::function<Status(const Reply&)>;

  Status begin(Client& client, Watched& index);
  Status make(Client& client, const IndexDefinition& definition);
  Status point(Client& client, const IndexDefinition& definition, const std::string& alias);
  Status drop(Client& client, const std::string& name);
  Status drop_removed(Client& client);
  Status command(Client& client, const std::vector<std::string>& words);

  void send(Client& client, Pipeline& pipeline, const std::vector<std::string>& words, OnReply on_reply);
  void ask(Client& client, Pipeline& pipeline, Watched& index);
  void move(Client& client, Pipeline& pipeline, Watched& index);
  void drop_old(Client& client, Pipeline& pipeline, Watched& index);
  static void show_plan(Watched& index);
  void take(Watched& index, const Reply& info);
  void take_progress(Watched& index, const Reply& info);
  Status take_move(Watched& index, const Reply& reply);
  Status take_drop(Watched& index, const Reply& reply);
  void show_failures(Watched& index, const IndexHealth& health);

  std::vector<Watched> indexes_;
  OwnedIndexes owned_;
  std::vector<std::string> removed_;    ///< a sentence each
  std::vector<std::string> forgotten_;  ///< dropped, to be taken out of what we own
  WatchOptions options_;
  TaskContext& context_;
  std::int64_t next_us_ = 0;
};

}  // namespace millrace::redis
