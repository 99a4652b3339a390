#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "log/store_log_impl.h"

namespace millrace {
namespace {

std::string make_log_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

/// The record under `key`, or a new one when there is none.
template <typename Record>
Result<Record> get_record(Store& store, const std::string& key) {
  auto bytes = store.get(kMetaSpace, key);
  if (!bytes) return std::move(bytes).error();
  if (!*bytes) return Record{};
  return decode<Record>(**bytes);
}

Result<std::vector<StoreEntry>> scan_prefix(Store& store, const std::string& prefix) {
  return store.scan(kMetaSpace, prefix, keys::prefix_end(prefix), {});
}

}  // namespace

StoreLog::Stream::Stream(StreamId id, std::string connector, const StoreLogOptions& options, Metrics& metrics)
    : state(id, std::move(connector), options.tail_bytes, options.history_bytes),
      rows_total(metrics.counter("millrace_log_rows_total", "Rows written to the log",
                                 {{"connector", state.connector}})),
      bytes_total(metrics.counter("millrace_log_bytes_total", "Bytes of batch images written to the log",
                                  {{"connector", state.connector}})) {}

std::string StoreLog::Stream::label() const {
  return fmt::format("stream {} of {}", state.id, state.connector);
}

StoreLog::StoreLog(std::unique_ptr<Store> store, const StoreLogOptions& options,
                   const LogEnvironment& environment)
    : store_(std::move(store)),
      options_(options),
      environment_(environment),
      free_bytes_(environment.metrics.gauge("millrace_log_free_bytes", "Room left on the log's disk", {})),
      append_time_(environment.metrics.histogram("millrace_log_append_seconds",
                                                 "Time to get a batch onto the disk", {})),
      room_checked_us_(environment.clock.now_us() - 3'600'000'000) {}

Result<std::unique_ptr<Log>> StoreLog::open(std::unique_ptr<Store> store, const StoreLogOptions& options,
                                            const LogEnvironment& environment) {
  std::unique_ptr<StoreLog> log(new StoreLog(std::move(store), options, environment));
  MILLRACE_TRY(log->load());
  return std::unique_ptr<Log>(std::move(log));
}

Result<std::unique_ptr<Log>> open_store_log(std::unique_ptr<Store> store, const StoreLogOptions& options,
                                            const LogEnvironment& environment) {
  return StoreLog::open(std::move(store), options, environment);
}

Status StoreLog::load() {
  MILLRACE_TRY(load_format());
  MILLRACE_TRY(load_streams());
  MILLRACE_TRY(load_topics());
  MILLRACE_TRY(load_sinks());
  // For the gauge; whether rows may come in is asked again with the first of them.
  if (const auto room = check_room(); !room) environment_.logger.warn(room.error().message);
  return {};
}

Status StoreLog::load_format() {
  auto format = store_->get(kMetaSpace, keys::format());
  if (!format) return std::move(format).error();
  if (!*format) {
    StoreWrite write;
    write.put(kMetaSpace, keys::format(), encode_number(kLogFormat));
    write.put(kMetaSpace, keys::log_id(), make_log_id());
    MILLRACE_TRY(store_->write(write));
  } else {
    const auto number = decode<std::uint64_t>(**format);
    if (!number) return number.error();
    if (*number > kLogFormat) {
      return stop_error(fmt::format("the log was written by a newer millrace (format {}), this one knows {}",
                                    *number, kLogFormat),
                        "start the newer millrace again, or give this one another log.dir");
    }
    // Format 1 had shorter records of dead letters, which are still understood; each is longer once written
    // anew. An older program must not read those.
    if (*number < kLogFormat) {
      StoreWrite write;
      write.put(kMetaSpace, keys::format(), encode_number(kLogFormat));
      MILLRACE_TRY(store_->write(write));
    }
  }
  auto id = store_->get(kMetaSpace, keys::log_id());
  if (!id) return std::move(id).error();
  id_ = std::move(*id).value_or("");
  return {};
}

void StoreLog::add_stream(StreamId id, std::string connector) {
  streams_.emplace(id, std::make_unique<Stream>(id, std::move(connector), options_, environment_.metrics));
}

Status StoreLog::load_streams() {
  auto entries = scan_prefix(*store_, keys::streams());
  if (!entries) return std::move(entries).error();
  for (StoreEntry& entry : *entries) {
    const StreamId id = keys::tail_u32(entry.key);
    add_stream(id, std::move(entry.value));
    MILLRACE_TRY(store_->open_space(keys::image_space(id)));
    MILLRACE_TRY(load_stream(*streams_.at(id)));
  }
  return {};
}

Status StoreLog::load_stream(Stream& stream) {
  StreamState& state = stream.state;
  auto head = get_record<StreamHead>(*store_, keys::stream_head(state.id));
  if (!head) return std::move(head).error();
  state.head = std::move(*head);
  auto first = get_record<StreamFirst>(*store_, keys::stream_first(state.id));
  if (!first) return std::move(first).error();
  state.first = *first;

  auto schemas = scan_prefix(*store_, keys::schemas(state.id));
  if (!schemas) return std::move(schemas).error();
  for (const StoreEntry& entry : *schemas) {
    auto schema = decode_schema(entry.value);
    if (!schema) return std::move(schema).error();
    state.schemas.emplace(keys::tail_u32(entry.key), std::make_shared<const TableSchema>(std::move(*schema)));
  }
  auto holes = scan_prefix(*store_, keys::holes(state.id));
  if (!holes) return std::move(holes).error();
  for (const StoreEntry& entry : *holes) {
    auto hole = decode<Hole>(entry.value);
    if (!hole) return std::move(hole).error();
    state.holes.push_back(*hole);
  }
  if (state.head.next_sequence > state.first.sequence) {
    const auto last = batch_record(stream, state.head.next_sequence - 1);
    if (!last) return last.error();
    stream.received_us = last->received_us;
  }
  return {};
}

Status StoreLog::load_topics() {
  auto entries = scan_prefix(*store_, keys::topics());
  if (!entries) return std::move(entries).error();
  for (const StoreEntry& entry : *entries) {
    auto record = decode<TopicRecord>(entry.value);
    if (!record) return std::move(record).error();
    auto topic = std::make_unique<TopicState>();
    topic->id = keys::tail_u32(entry.key);
    topic->name = std::move(record->name);
    topic->stream = record->stream;
    topic->stored = true;
    auto head = get_record<TopicHead>(*store_, keys::topic_head(topic->id));
    if (!head) return std::move(head).error();
    topic->head = *head;
    auto first = get_record<TopicFirst>(*store_, keys::topic_first(topic->id));
    if (!first) return std::move(first).error();
    topic->first = *first;
    if (topic->head.visible_offset != topic->head.next_offset) {
      const auto stream = streams_.find(topic->stream);
      if (stream != streams_.end()) stream->second->state.hidden.push_back(topic.get());
    }
    next_topic_ = std::max(next_topic_, topic->id + 1);
    topics_.emplace(topic->name, std::move(topic));
  }
  return {};
}

Status StoreLog::load_sinks() {
  auto entries = scan_prefix(*store_, keys::sinks());
  if (!entries) return std::move(entries).error();
  for (const StoreEntry& entry : *entries) {
    const std::string name = entry.key.substr(keys::sinks().size());
    auto position = LogPosition::parse(entry.value);
    if (!position) return std::move(position).error();
    auto sink = std::make_unique<Sink>();
    sink->position = std::move(*position);
    MILLRACE_TRY(load_letters(name, *sink));
    sinks_.emplace(name, std::move(sink));
  }
  return {};
}

}  // namespace millrace
