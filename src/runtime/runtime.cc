#include "runtime/runtime.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/guard.h"
#include "runtime/housekeeping.h"
#include "runtime/memory_budget.h"
#include "runtime/sink_task.h"
#include "runtime/source_task.h"
#include "runtime/task_metrics.h"
#include "runtime/task_thread.h"
#include "runtime/topic_filter.h"

namespace millrace {
namespace {

constexpr std::int64_t kRetainEveryUs = 10'000'000;

/// A connector under its name: its settings, and its task while it has one.
struct Connector {
  Connector(const ConnectorSpec& its_spec, const ConnectorConfig& its_config,
            const Runtime::Environment& environment)
      : spec(its_spec),
        config(its_config),
        state_metrics(environment.metrics, its_config.connector()),
        letters(environment.clock) {}

  const ConnectorSpec& spec;
  const ConnectorConfig config;
  StateMetrics state_metrics;
  LetterDesk letters;  ///< of a sink; outlives its tasks

  std::mutex operation;  // start, pause, resume, restart, remove: one at a time; taken before `mutex`
  std::vector<TaskThread> threads;  // under `operation`; run stages of `task`

  std::mutex mutex;  // guards what follows, for a short time
  std::shared_ptr<Task> task;
  std::optional<ConnectorStatus> last;  // of the task before, while there is none
  bool paused = false;
  bool was_stuck = false;
};

}  // namespace

class Runtime::Impl {
 public:
  Impl(const Environment& environment, const RuntimeOptions& options)
      : environment_(environment),
        options_(options),
        housekeeping_(environment.clock, [this] { tick(); }),
        retained_us_(environment.clock.now_us()),
        housekeeping_thread_(std::in_place, housekeeping_, environment.clock) {}

  Status start(const ConnectorSpec& spec, const ConnectorConfig& config);
  Status pause(std::string_view name);
  Status resume(std::string_view name);
  Status restart(std::string_view name);
  Status reset(std::string_view name);
  Status remove(std::string_view name);
  Status forget_sink(std::string_view name);
  Result<std::uint64_t> work_on_letters(std::string_view sink, LetterRequest request);
  Result<LetterOperation> letter_operation(std::string_view sink, std::uint64_t id);
  std::vector<ConnectorStatus> status();
  void stop();

 private:
  using ConnectorPtr = std::shared_ptr<Connector>;

  Result<ConnectorPtr> find(std::string_view name);
  std::vector<ConnectorPtr> all();
  Result<std::shared_ptr<Task>> make_task(Connector& connector, bool anew);
  Status launch(Connector& connector, bool anew = false);
  void halt(Connector& connector);
  ConnectorStatus status_of(Connector& connector) const;
  void share_memory();
  void tick();

  const Environment environment_;
  const RuntimeOptions options_;
  std::mutex mutex_;  // guards the map and `stopped_`
  std::map<std::string, ConnectorPtr, std::less<>> connectors_;
  bool stopped_ = false;
  Housekeeping housekeeping_;
  std::int64_t retained_us_;  // housekeeping's own
  std::optional<TaskThread> housekeeping_thread_;
};

Result<std::shared_ptr<Task>> Runtime::Impl::make_task(Connector& connector, bool anew) {
  const ConnectorSpec& spec = connector.spec;
  const ConnectorConfig& config = connector.config;
  const TaskSettings settings{config.connector(),
                              std::string(spec.kind),
                              environment_.log,
                              environment_.clock,
                              environment_.logger,
                              environment_.metrics,
                              environment_.failpoints,
                              options_,
                              anew,
                              &connector.letters};
  const MemoryShares shares = divide_memory(options_.memory_bytes, options_.batch_bytes, 1, 0);
  return guard("making connector " + config.connector(), [&]() -> Result<std::shared_ptr<Task>> {
    if (spec.is_source()) {
      Result<std::unique_ptr<Source>> source = spec.make_source(config);
      if (!source) return std::move(source).error();
      return std::shared_ptr<Task>(std::make_shared<SourceTask>(settings, std::move(*source), shares));
    }
    if (spec.make_sink == nullptr) {
      return stop_error("kind " + std::string(spec.kind) + " is neither a source nor a sink");
    }
    Result<TopicFilter> wants = make_topic_filter(spec, config);
    if (!wants) return std::move(wants).error();
    Result<std::unique_ptr<Sink>> sink = spec.make_sink(config);
    if (!sink) return std::move(sink).error();
    return std::shared_ptr<Task>(
        std::make_shared<SinkTask>(settings, std::move(*sink), std::move(*wants), shares));
  });
}

/// Under `operation`; the connector has no task. On an error it is `failed` with that in its status.
Status Runtime::Impl::launch(Connector& connector, bool anew) {
  Result<std::shared_ptr<Task>> task = make_task(connector, anew);
  if (!task) {
    environment_.logger.error("connector cannot start", {{"connector", connector.config.connector()},
                                                         {"error", std::string_view(task.error().message)}});
    const std::lock_guard lock(connector.mutex);
    ConnectorStatus& status = connector.last.emplace();
    status.state = ConnectorState::kFailed;
    status.message = task.error().message;
    status.hint = task.error().hint;
    status.errors = 1;
    connector.paused = false;
    return std::move(task).error();
  }
  {
    const std::lock_guard lock(connector.mutex);
    connector.task = *task;
    connector.last.reset();
    connector.paused = false;
    connector.was_stuck = false;
  }
  share_memory();
  for (Stage* stage : (*task)->stages()) connector.threads.emplace_back(*stage, environment_.clock);
  return {};
}

/// Under `operation`. Returns when the task's threads have ended.
void Runtime::Impl::halt(Connector& connector) {
  std::shared_ptr<Task> task;
  {
    const std::lock_guard lock(connector.mutex);
    task = connector.task;
  }
  if (!task) return;
  task->request_stop();
  connector.threads.clear();
  {
    const std::lock_guard lock(connector.mutex);
    connector.last = task->status(environment_.clock.now_us());
    connector.task.reset();
  }
  share_memory();
}

Status Runtime::Impl::start(const ConnectorSpec& spec, const ConnectorConfig& config) {
  auto connector = std::make_shared<Connector>(spec, config, environment_);
  const std::lock_guard operation(connector->operation);
  {
    const std::lock_guard lock(mutex_);
    if (stopped_)
      return stop_error("the runtime is stopping: connector " + config.connector() + " was not started");
    if (!connectors_.emplace(config.connector(), connector).second) {
      return stop_error("there is already a connector called " + config.connector(), "choose another name");
    }
  }
  static_cast<void>(launch(*connector));  // its status tells
  return {};
}

Status Runtime::Impl::pause(std::string_view name) {
  Result<ConnectorPtr> connector = find(name);
  if (!connector) return std::move(connector).error();
  const std::lock_guard operation((*connector)->operation);
  halt(**connector);
  const std::lock_guard lock((*connector)->mutex);
  (*connector)->paused = true;
  return {};
}

Status Runtime::Impl::resume(std::string_view name) {
  Result<ConnectorPtr> connector = find(name);
  if (!connector) return std::move(connector).error();
  const std::lock_guard operation((*connector)->operation);
  {
    const std::lock_guard lock((*connector)->mutex);
    if ((*connector)->task) return {};
  }
  return launch(**connector);
}

Status Runtime::Impl::restart(std::string_view name) {
  Result<ConnectorPtr> connector = find(name);
  if (!connector) return std::move(connector).error();
  const std::lock_guard operation((*connector)->operation);
  halt(**connector);
  return launch(**connector);
}

Status Runtime::Impl::reset(std::string_view name) {
  Result<ConnectorPtr> connector = find(name);
  if (!connector) return std::move(connector).error();
  const std::lock_guard operation((*connector)->operation);
  halt(**connector);
  if ((*connector)->spec.is_source()) {
    MILLRACE_TRY(environment_.log.forget_source(name));
    return launch(**connector);
  }
  MILLRACE_TRY(environment_.log.forget_sink(name));
  return launch(**connector, true);
}

Status Runtime::Impl::forget_sink(std::string_view name) {
  if (find(name)) {
    return stop_error("sink " + std::string(name) + " is in the pipeline", "take it out of the file first");
  }
  Result<std::vector<SinkInfo>> known = environment_.log.sinks();
  if (!known) return std::move(known).error();
  if (std::ranges::find(*known, name, &SinkInfo::name) == known->end()) {
    return stop_error("the log keeps nothing for a sink called " + std::string(name));
  }
  return environment_.log.forget_sink(name);
}

Result<std::uint64_t> Runtime::Impl::work_on_letters(std::string_view sink, LetterRequest request) {
  Result<ConnectorPtr> connector = find(sink);
  if (!connector) return std::move(connector).error();
  const ConnectorStatus status = status_of(**connector);
  if (status.is_source) return stop_error(std::string(sink) + " is a source; only sinks park rows");
  const ConnectorState state = status.state;
  if (state == ConnectorState::kPaused || state == ConnectorState::kFailed ||
      state == ConnectorState::kStopped) {
    return stop_error("sink " + std::string(sink) + " is " + std::string(state_name(state, false)),
                      "its dead letters are dealt with while it runs: resume or restart it first");
  }
  Result<std::uint64_t> id = (*connector)->letters.submit(std::move(request));
  environment_.log.wake();
  return id;
}

Result<LetterOperation> Runtime::Impl::letter_operation(std::string_view sink, std::uint64_t id) {
  Result<ConnectorPtr> connector = find(sink);
  if (!connector) return std::move(connector).error();
  std::optional<LetterOperation> found = (*connector)->letters.find(id);
  if (!found) {
    return stop_error("no operation on dead letters of " + std::string(sink) + " has the number " +
                      std::to_string(id));
  }
  return *std::move(found);
}

Status Runtime::Impl::remove(std::string_view name) {
  Result<ConnectorPtr> connector = find(name);
  if (!connector) return std::move(connector).error();
  const std::lock_guard operation((*connector)->operation);
  halt(**connector);
  if (!(*connector)->spec.is_source()) MILLRACE_TRY(environment_.log.forget_sink(name));
  {
    const std::lock_guard lock(mutex_);
    connectors_.erase((*connector)->config.connector());
  }
  (*connector)->state_metrics.show(ConnectorState::kStopped, false);
  return {};
}

Result<Runtime::Impl::ConnectorPtr> Runtime::Impl::find(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return stop_error("the runtime is stopping");
  const auto found = connectors_.find(name);
  if (found == connectors_.end()) return stop_error("there is no connector called " + std::string(name));
  return found->second;
}

std::vector<Runtime::Impl::ConnectorPtr> Runtime::Impl::all() {
  const std::lock_guard lock(mutex_);
  std::vector<ConnectorPtr> out;
  out.reserve(connectors_.size());
  for (const auto& [name, connector] : connectors_) out.push_back(connector);
  return out;
}

ConnectorStatus Runtime::Impl::status_of(Connector& connector) const {
  const std::lock_guard lock(connector.mutex);
  if (connector.task) return connector.task->status(environment_.clock.now_us());
  ConnectorStatus status = connector.last.value_or(ConnectorStatus{});
  status.name = connector.config.connector();
  status.kind = connector.spec.kind;
  status.is_source = connector.spec.is_source();
  if (connector.paused) {
    status.state = ConnectorState::kPaused;
    status.message.clear();
    status.hint.clear();
  }
  return status;
}

std::vector<ConnectorStatus> Runtime::Impl::status() {
  const std::vector<ConnectorPtr> connectors = all();
  std::vector<ConnectorStatus> out;
  out.reserve(connectors.size());
  for (const ConnectorPtr& connector : connectors) out.push_back(status_of(*connector));
  return out;
}

/// Divides the budget anew over the connectors that have a task.
void Runtime::Impl::share_memory() {
  std::vector<std::shared_ptr<Task>> tasks;
  std::size_t sources = 0;
  for (const ConnectorPtr& connector : all()) {
    const std::lock_guard lock(connector->mutex);
    if (!connector->task) continue;
    tasks.push_back(connector->task);
    sources += connector->spec.is_source() ? 1 : 0;
  }
  const MemoryShares shares =
      divide_memory(options_.memory_bytes, options_.batch_bytes, sources, tasks.size() - sources);
  for (const auto& task : tasks) task->set_memory(shares);
}

void Runtime::Impl::tick() {
  for (const ConnectorPtr& connector : all()) {
    const ConnectorStatus status = status_of(*connector);
    connector->state_metrics.show(status.state, true);
    const bool stuck = status.state == ConnectorState::kStuck;
    const bool was_stuck = [&] {
      const std::lock_guard lock(connector->mutex);
      return std::exchange(connector->was_stuck, stuck);
    }();
    if (stuck && !was_stuck) {
      environment_.logger.warn("connector is stuck", {{"connector", std::string_view(status.name)},
                                                      {"position", std::string_view(status.position)}});
    } else if (was_stuck && !stuck) {
      environment_.logger.info("connector moves again", {{"connector", std::string_view(status.name)}});
    }
  }
  if (environment_.clock.now_us() - retained_us_ < kRetainEveryUs) return;
  retained_us_ = environment_.clock.now_us();
  const Result<std::uint64_t> freed =
      environment_.log.retain(options_.retention, environment_.clock.wall_us());
  if (freed) {
    environment_.metrics.counter("millrace_log_freed_bytes_total", "Bytes retention has removed", {})
        .add(*freed);
  } else {
    environment_.logger.warn("retention failed", {{"error", std::string_view(freed.error().message)}});
  }
}

void Runtime::Impl::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  housekeeping_.request_stop();
  housekeeping_thread_.reset();
  const std::vector<ConnectorPtr> connectors = all();
  // All are asked before any is waited for: together they take as long as the slowest.
  for (const ConnectorPtr& connector : connectors) {
    const std::lock_guard lock(connector->mutex);
    if (connector->task) connector->task->request_stop();
  }
  for (const ConnectorPtr& connector : connectors) {
    const std::lock_guard operation(connector->operation);
    halt(*connector);
  }
}

Runtime::Runtime(const Environment& environment, const RuntimeOptions& options)
    : impl_(std::make_unique<Impl>(environment, options)) {}
Runtime::~Runtime() { impl_->stop(); }
Status Runtime::start(const ConnectorSpec& spec, const ConnectorConfig& config) {
  return impl_->start(spec, config);
}
Status Runtime::pause(std::string_view name) { return impl_->pause(name); }
Status Runtime::resume(std::string_view name) { return impl_->resume(name); }
Status Runtime::restart(std::string_view name) { return impl_->restart(name); }
Status Runtime::reset(std::string_view name) { return impl_->reset(name); }
Status Runtime::forget_sink(std::string_view name) { return impl_->forget_sink(name); }
Result<std::uint64_t> Runtime::work_on_letters(std::string_view sink, LetterRequest request) {
  return impl_->work_on_letters(sink, std::move(request));
}
Result<LetterOperation> Runtime::letter_operation(std::string_view sink, std::uint64_t id) {
  return impl_->letter_operation(sink, id);
}
Status Runtime::remove(std::string_view name) { return impl_->remove(name); }
std::vector<ConnectorStatus> Runtime::status() const { return impl_->status(); }
void Runtime::stop() { impl_->stop(); }

}  // namespace millrace
