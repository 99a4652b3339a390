#include <memory>
#include <utility>

#include "log/store_log_impl.h"

namespace millrace {

StoreLog::Sink& StoreLog::sink_of(std::string_view name) {
  const std::lock_guard lock(mutex_);
  auto it = sinks_.find(name);
  if (it == sinks_.end()) it = sinks_.emplace(std::string(name), std::make_unique<Sink>()).first;
  return *it->second;
}

Result<std::optional<LogPosition>> StoreLog::settled(std::string_view sink) {
  const std::lock_guard lock(mutex_);
  const auto it = sinks_.find(sink);
  if (it == sinks_.end()) return std::optional<LogPosition>{};
  return it->second->position;
}

Result<std::vector<SinkInfo>> StoreLog::sinks() {
  const std::lock_guard lock(mutex_);
  std::vector<SinkInfo> out;
  for (const auto& [name, sink] : sinks_) {
    if (sink->position) out.push_back({name, *sink->position});
  }
  return out;
}

Status StoreLog::forget_sink(std::string_view name) {
  Sink& sink = sink_of(name);
  const std::lock_guard writing(sink.writing);
  StoreWrite write;
  write.remove(kMetaSpace, keys::sink(name));
  write.remove_range(kMetaSpace, keys::dead_letters(name), keys::prefix_end(keys::dead_letters(name)));
  write.remove_range(kMetaSpace, keys::letter_rows(name), keys::prefix_end(keys::letter_rows(name)));
  write.remove(kMetaSpace, keys::next_letter(name));
  write.remove_range(kMetaSpace, keys::rejects(name), keys::prefix_end(keys::rejects(name)));
  MILLRACE_TRY(store_->write(write));
  const std::lock_guard lock(mutex_);
  sink.position.reset();
  sink.letters = {};
  return {};
}

}  // namespace millrace
