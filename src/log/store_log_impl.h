#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/store_log.h"
#include "log/stream_state.h"

namespace millrace {

/// The rules of the log, over any ordered store. A lock guards what is known in memory and is never held
/// while the store reads or writes; the order of disk and memory is: planned, written, then seen by readers.
class StoreLog final : public Log {
 public:
  /// Reads what the store holds. A store without a log becomes one.
  [[nodiscard]] static Result<std::unique_ptr<Log>> open(std::unique_ptr<Store> store,
                                                         const StoreLogOptions& options,
                                                         const LogEnvironment& environment);

  [[nodiscard]] std::string id() const override { return id_; }
  [[nodiscard]] Result<StreamId> open_stream(std::string_view connector) override;
  [[nodiscard]] Result<std::optional<SourcePosition>> source_position(StreamId stream) override;
  [[nodiscard]] Status forget_source(std::string_view connector) override;
  [[nodiscard]] Result<std::vector<TableSchemaPtr>> schemas(StreamId stream) override;
  [[nodiscard]] Status append(StreamId stream, const BatchPtr& batch, const SourcePosition& after,
                              std::span<const StateWrite> state) override;
  [[nodiscard]] Result<std::map<std::string, std::string>> state(std::string_view owner) override;
  [[nodiscard]] Status put_state(std::string_view owner, std::span<const StateWrite> state) override;
  [[nodiscard]] Result<std::optional<ReadBatch>> read(const std::function<bool(std::string_view)>& wants,
                                                      const LogPosition& from,
                                                      std::int64_t until_us) override;
  [[nodiscard]] Result<LogPosition> earliest() override;
  [[nodiscard]] Result<LogPosition> latest() override;
  [[nodiscard]] Result<Backlog> backlog(const LogPosition& from) override;
  [[nodiscard]] Result<std::optional<LogPosition>> settled(std::string_view sink) override;
  [[nodiscard]] Status settle(std::string_view name, const LogPosition& durable,
                              std::span<const Rejected> rejected) override;
  [[nodiscard]] Result<std::vector<DeadLetter>> dead_letters(std::string_view sink, std::uint64_t from_id,
                                                             std::size_t limit) override;
  [[nodiscard]] Result<std::optional<DeadLetter>> dead_letter_of(std::string_view sink,
                                                                 const StreamPosition& row,
                                                                 std::string_view output) override;
  [[nodiscard]] Result<LetterImage> dead_letter_row(std::string_view sink, const DeadLetter& letter) override;
  [[nodiscard]] Status update_dead_letters(std::string_view name,
                                           std::span<const DeadLetter> letters) override;
  [[nodiscard]] LetterCounts dead_letter_counts(std::string_view name) override;
  [[nodiscard]] Result<std::vector<SinkInfo>> sinks() override;
  [[nodiscard]] Status forget_sink(std::string_view name) override;
  [[nodiscard]] Result<std::vector<TopicInfo>> topics() override;
  [[nodiscard]] Result<std::vector<StreamInfo>> streams() override;
  [[nodiscard]] Result<std::vector<TopicRow>> read_topic(std::string_view topic, std::uint64_t offset,
                                                         std::size_t limit, std::int64_t until_us) override;
  [[nodiscard]] Result<std::uint64_t> offset_at(std::string_view topic, std::int64_t wall_us) override;
  [[nodiscard]] Result<BatchPtr> batch_at(StreamId stream, std::uint64_t sequence) override;
  [[nodiscard]] Result<std::uint64_t> retain(const RetentionPolicy& policy, std::int64_t wall_us) override;
  void wake() override;

 private:
  struct Stream;       // a StreamState with its writer's lock and metrics
  struct Sink;         // position and dead letters of a sink, with its writer's lock
  struct LetterTally;  // what the dead letters of a sink come to
  struct LetterWrite;  // dead letters on their way to the disk
  struct Next;         // what a reader is to look at next
  struct Waiter;       // the state a reader saw when it began to look
  struct Indexed;      // a topic's entry with the offset of its first row
  struct Cut;          // how far retention goes in one stream
  using TopicFilter = std::function<bool(std::string_view)>;

  StoreLog(std::unique_ptr<Store> store, const StoreLogOptions& options, const LogEnvironment& environment);

  // store_log_open.cc
  [[nodiscard]] Status load();
  [[nodiscard]] Status load_format();
  [[nodiscard]] Status load_streams();
  [[nodiscard]] Status load_stream(Stream& stream);
  [[nodiscard]] Status load_topics();
  [[nodiscard]] Status load_sinks();
  void add_stream(StreamId id, std::string connector);

  // store_log_append.cc
  [[nodiscard]] Status check_room();
  [[nodiscard]] Result<std::vector<TopicState*>> resolve_topics(StreamId stream, const Batch& batch);
  [[nodiscard]] StoreWrite render(const Stream& stream, const AppendPlan& plan, const BatchPtr& batch,
                                  std::span<const StateWrite> state) const;

  // store_log_read.cc
  [[nodiscard]] Result<Stream*> find_stream(StreamId stream);
  [[nodiscard]] Status check_position(const LogPosition& position) const;
  [[nodiscard]] Error cut_error(const Stream& stream, std::uint64_t sequence) const;
  [[nodiscard]] std::optional<StreamPosition> end_if_unwanted(StreamId stream,
                                                              const TopicFilter& wants) const;
  void leave_unwanted_cuts(LogPosition& at, const TopicFilter& wants) const;
  [[nodiscard]] Result<std::optional<Next>> next_batch(const LogPosition& at);
  [[nodiscard]] Result<BatchPtr> load_batch(Stream& stream, std::uint64_t sequence);
  [[nodiscard]] Result<BatchPtr> decode_batch(Stream& stream, std::uint64_t sequence,
                                              const std::string& packed);
  [[nodiscard]] Waiter arm(std::int64_t until_us);
  [[nodiscard]] bool wait(Waiter& waiter);

  // store_log_topics.cc
  [[nodiscard]] Result<TopicState*> find_topic(std::string_view topic);
  [[nodiscard]] Result<std::optional<Indexed>> find_entry(
      TopicId topic, std::uint64_t first, std::uint64_t end,
      const std::function<bool(const TopicEntry&)>& matches);
  [[nodiscard]] Status collect_rows(const TopicState& topic, std::uint64_t offset, std::size_t limit,
                                    std::vector<TopicRow>& out);
  [[nodiscard]] Result<BatchRecord> batch_record(const Stream& stream, std::uint64_t sequence);

  // store_log_letters.cc
  [[nodiscard]] Result<std::optional<DeadLetter>> find_letter(std::string_view sink, std::uint64_t id);
  void keep_row(std::string_view sink, DeadLetter& letter, const BatchPtr& batch, LetterWrite& out);
  [[nodiscard]] Status park(std::string_view sink, const Rejected& row, const BatchPtr& batch,
                            LetterWrite& out);
  [[nodiscard]] Status write_letters(std::string_view name, Sink& sink, LetterWrite& out);
  [[nodiscard]] Status each_letter(std::string_view sink, const std::function<void(const DeadLetter&)>& take);
  [[nodiscard]] Status load_letters(std::string_view name, Sink& sink);
  [[nodiscard]] Status purge_letters(const std::string& name, const RetentionPolicy& policy,
                                     std::int64_t wall_us);

  // store_log_retain.cc
  [[nodiscard]] Result<Cut> find_cut(const Stream& stream, const RetentionPolicy& policy,
                                     std::int64_t wall_us);
  [[nodiscard]] Result<std::uint64_t> first_batch(const Stream& stream, std::uint64_t first,
                                                  std::uint64_t end,
                                                  const std::function<bool(const BatchRecord&)>& keeps);
  [[nodiscard]] Result<std::uint64_t> cut_stream(Stream& stream, const Cut& cut);
  void warn_unread(const Stream& stream, const Cut& cut);

  Sink& sink_of(std::string_view name);

  const std::unique_ptr<Store> store_;
  const StoreLogOptions options_;
  const LogEnvironment environment_;
  std::string id_;
  Gauge& free_bytes_;
  Histogram& append_time_;
  std::atomic<std::int64_t> room_checked_us_;
  std::atomic<std::uint64_t> room_missing_{0};

  mutable std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::uint64_t changes_ = 0;
  std::uint64_t wakes_ = 0;
  std::map<StreamId, std::unique_ptr<Stream>> streams_;
  std::map<std::string, std::unique_ptr<TopicState>, std::less<>> topics_;
  TopicId next_topic_ = 1;
  std::map<std::string, std::unique_ptr<Sink>, std::less<>> sinks_;
  std::mutex structure_;  // one stream is made at a time, one retention runs at a time
};

struct StoreLog::Stream {
  Stream(StreamId id, std::string connector, const StoreLogOptions& options, Metrics& metrics);

  [[nodiscard]] std::string label() const;  ///< for messages

  StreamState state;
  std::mutex writing;  ///< held over an append: streams have one writer, this makes a second one wait
  std::string packed;  ///< the batch being appended; the writer's
  std::int64_t received_us = 0;  ///< of the last batch, kept from running back; the writer's
  Counter& rows_total;
  Counter& bytes_total;
};

struct StoreLog::LetterTally {
  std::uint64_t next = 1;  ///< id
  std::uint64_t all = 0;
  std::uint64_t open = 0;
  std::uint64_t row_bytes = 0;                                       ///< of the copies
  std::int64_t purge_us = std::numeric_limits<std::int64_t>::max();  ///< when the oldest was dealt with
};

struct StoreLog::Sink {
  std::mutex writing;  ///< held over whatever writes it; that thread may read the rest
  // Changed under the log's lock too.
  std::optional<LogPosition> position;
  LetterTally letters;
};

struct StoreLog::Next {
  Stream* stream = nullptr;
  StreamPosition start;
  std::uint32_t visible_rows = 0;  ///< at most; the batch may have fewer
  BatchPtr batch;                  ///< when it is in memory
};

struct StoreLog::Waiter {
  std::chrono::steady_clock::time_point deadline;
  std::uint64_t changes = 0;
  std::uint64_t wakes = 0;
};

struct StoreLog::Indexed {
  std::uint64_t offset = 0;
  TopicEntry entry;
};

struct StoreLog::Cut {
  std::uint64_t sequence = 0;  ///< batches before it go
  std::uint64_t bytes = 0;     ///< of all images before it
  std::uint64_t held = 0;  ///< sinks have read up to here; below `sequence`: unread batches are forced out
};

}  // namespace millrace
