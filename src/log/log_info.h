#pragma once

#include <cstdint>
#include <string>

#include "connect/log_position.h"
#include "event/batch.h"

namespace millrace {

/// What a log answers about itself; see log.h.

struct TopicInfo {
  std::string topic;
  StreamId stream = 0;
  std::uint64_t first_offset = 0;  ///< of the oldest row still there
  std::uint64_t next_offset =
      0;  ///< of the next row to come; rows of a transaction that is not complete do not count
  std::uint64_t bytes = 0;  ///< its share of what the batches still there take on disk, by rows
};

/// A topic's rows as `consume` reads them.
struct TopicRow {
  std::uint64_t offset = 0;
  std::uint32_t row = 0;  ///< index into `batch`
  std::uint64_t sequence = 0;
  BatchPtr batch;
};

struct StreamInfo {
  StreamId id = 0;
  std::string connector;
  std::uint64_t first_sequence = 0;
  std::uint64_t next_sequence = 0;
  std::uint64_t bytes = 0;
};

/// A sink that has settled and was not forgotten: retention keeps what it has not read.
struct SinkInfo {
  std::string name;
  LogPosition position;
};

}  // namespace millrace
