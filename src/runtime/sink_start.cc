#include "runtime/sink_start.h"

#include <algorithm>
#include <set>

namespace millrace {
namespace {

std::optional<StreamPosition> find(const std::optional<LogPosition>& position, StreamId stream) {
  if (!position) return std::nullopt;
  for (const StreamPosition& at : position->streams()) {
    if (at.stream == stream) return at;
  }
  return std::nullopt;
}

void collect(const std::optional<LogPosition>& position, std::set<StreamId>& streams) {
  if (!position) return;
  for (const StreamPosition& at : position->streams()) streams.insert(at.stream);
}

}  // namespace

SinkStart sink_start(const std::optional<LogPosition>& target, const std::optional<LogPosition>& settled,
                     const LogPosition& earliest) {
  SinkStart start;
  const bool empty_target = target && target->streams().empty();
  start.first = !settled && (!target || empty_target);
  start.emptied = empty_target && settled && !settled->streams().empty();
  if (start.first || empty_target) {
    start.from = earliest;
    return start;
  }
  std::set<StreamId> streams;
  collect(target, streams);
  collect(settled, streams);
  collect(earliest, streams);
  for (const StreamId stream : streams) {
    const std::optional<StreamPosition> in_target = find(target, stream);
    const std::optional<StreamPosition> in_log = find(settled, stream);
    StreamPosition from = earliest.at(stream);
    if (in_target && settled) {
      // A stream newer than the last settling begins where its rows begin.
      from = std::min(*in_target, in_log.value_or(from));
    } else if (in_target) {
      from = *in_target;
    } else if (in_log && !target) {
      // A target that names a position, but not of this stream, has had nothing of it.
      from = *in_log;
    }
    start.from.set(from);
    if (in_target && from < *in_target) start.applied.set(*in_target);
  }
  return start;
}

}  // namespace millrace
