#include <utility>

#include "runtime/simulation_fakes.h"

namespace millrace::simulation {
namespace {

struct Append {
  StreamId stream;
  BatchPtr batch;
  SourcePosition after;
  std::vector<StateWrite> state;
};

class FaultyLog final : public Log {
 public:
  FaultyLog(std::unique_ptr<Log> inner, World& world) : inner_(std::move(inner)), world_(world) {}

  std::string id() const override { return inner_->id(); }
  Result<StreamId> open_stream(std::string_view connector) override { return inner_->open_stream(connector); }
  Result<std::optional<SourcePosition>> source_position(StreamId stream) override {
    if (world_.crashed || world_.fails()) return retry_error("log busy");
    return inner_->source_position(stream);
  }
  Result<std::vector<TableSchemaPtr>> schemas(StreamId stream) override { return inner_->schemas(stream); }
  Status append(StreamId stream, const BatchPtr& batch, const SourcePosition& after,
                std::span<const StateWrite> state) override;
  Result<std::map<std::string, std::string>> state(std::string_view owner) override {
    return inner_->state(owner);
  }
  Status put_state(std::string_view owner, std::span<const StateWrite> state) override {
    return inner_->put_state(owner, state);
  }
  Result<std::optional<ReadBatch>> read(const std::function<bool(std::string_view)>& wants,
                                        const LogPosition& from, std::int64_t until_us) override {
    if (world_.crashed || world_.fails()) return retry_error("log busy");
    // Nothing there: the answer without the system's wait, which even for no time takes its time.
    if (const auto latest = inner_->latest(); latest && from.covers(*latest))
      return std::optional<ReadBatch>();
    return inner_->read(wants, from, until_us);
  }
  Result<LogPosition> earliest() override { return inner_->earliest(); }
  Result<LogPosition> latest() override { return inner_->latest(); }
  Result<Backlog> backlog(const LogPosition& from) override { return inner_->backlog(from); }
  Result<std::optional<LogPosition>> settled(std::string_view sink) override { return inner_->settled(sink); }
  Status settle(std::string_view sink, const LogPosition& durable,
                std::span<const Rejected> rejected) override;
  Result<std::vector<DeadLetter>> dead_letters(std::string_view sink, std::uint64_t from,
                                               std::size_t limit) override {
    return inner_->dead_letters(sink, from, limit);
  }
  Result<std::optional<DeadLetter>> dead_letter_of(std::string_view sink, const StreamPosition& row,
                                                   std::string_view output) override {
    return inner_->dead_letter_of(sink, row, output);
  }
  Result<LetterImage> dead_letter_row(std::string_view sink, const DeadLetter& letter) override {
    return inner_->dead_letter_row(sink, letter);
  }
  Status update_dead_letters(std::string_view sink, std::span<const DeadLetter> letters) override {
    if (world_.crashed || world_.dies()) return stop_error("crashed");
    if (world_.fails()) return retry_error("disk full");
    MILLRACE_TRY(inner_->update_dead_letters(sink, letters));
    if (world_.dies()) return stop_error("crashed");
    return {};
  }
  LetterCounts dead_letter_counts(std::string_view sink) override { return inner_->dead_letter_counts(sink); }
  Status forget_source(std::string_view connector) override { return inner_->forget_source(connector); }
  Result<std::vector<SinkInfo>> sinks() override { return inner_->sinks(); }
  Status forget_sink(std::string_view sink) override { return inner_->forget_sink(sink); }
  Result<std::vector<TopicInfo>> topics() override { return inner_->topics(); }
  Result<std::vector<StreamInfo>> streams() override { return inner_->streams(); }
  Result<std::vector<TopicRow>> read_topic(std::string_view topic, std::uint64_t offset, std::size_t limit,
                                           std::int64_t until_us) override {
    return inner_->read_topic(topic, offset, limit, until_us);
  }
  Result<std::uint64_t> offset_at(std::string_view topic, std::int64_t wall_us) override {
    return inner_->offset_at(topic, wall_us);
  }
  Result<BatchPtr> batch_at(StreamId stream, std::uint64_t sequence) override {
    return inner_->batch_at(stream, sequence);
  }
  Result<std::uint64_t> retain(const RetentionPolicy& policy, std::int64_t wall_us) override {
    return inner_->retain(policy, wall_us);
  }
  void wake() override { inner_->wake(); }

 private:
  Status write(const Append& append);

  std::unique_ptr<Log> inner_;
  World& world_;
  std::optional<Append> late_;
};

Status FaultyLog::write(const Append& append) {
  MILLRACE_TRY(inner_->append(append.stream, append.batch, append.after, append.state));
  if (!not_ahead(world_.on_disk, append.after)) world_.blame("the log's position went back");
  world_.on_disk = append.after;
  if (!append.batch) return {};
  for (const RowRecord& row : append.batch->records()) {
    const TransactionRecord& transaction = append.batch->transactions()[row.transaction];
    if (transaction.id == 0) continue;
    std::uint64_t& rows = world_.rows_on_disk[std::string(append.batch->commit(transaction))];
    if (row.index != rows) world_.blame("a row is in the log twice, or one is missing before it");
    ++rows;
  }
  return {};
}

Status FaultyLog::append(StreamId stream, const BatchPtr& batch, const SourcePosition& after,
                         std::span<const StateWrite> state) {
  if (world_.crashed) return stop_error("crashed");
  if (world_.fails()) return retry_error("disk full");
  if (world_.dies()) return stop_error("crashed");
  Append append{stream, batch, after, {state.begin(), state.end()}};
  if (world_.planted == Planted::kLogAnswersEarly) {
    // This one is answered now and written with the next.
    std::optional<Append> before = std::exchange(late_, std::move(append));
    return before ? write(*before) : Status();
  }
  MILLRACE_TRY(write(append));
  if (world_.dies()) return stop_error("crashed");
  if (!world_.fails()) return {};
  if (world_.planted == Planted::kAppendTriedAgain) return retry_error("disk full");
  return reconnect_error("outcome not known");
}

Status FaultyLog::settle(std::string_view sink, const LogPosition& durable,
                         std::span<const Rejected> rejected) {
  if (world_.crashed || world_.dies()) return stop_error("crashed");
  if (world_.fails()) return retry_error("disk full");
  MILLRACE_TRY(inner_->settle(sink, durable, rejected));
  if (world_.dies()) return stop_error("crashed");
  return {};
}

}  // namespace

std::unique_ptr<Log> make_faulty_log(std::unique_ptr<Log> inner, World& world) {
  return std::make_unique<FaultyLog>(std::move(inner), world);
}

}  // namespace millrace::simulation
