#include <map>
#include <tuple>
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

Status StoreLog::settle(std::string_view name, const LogPosition& durable,
                        std::span<const Rejected> rejected) {
  Sink& sink = sink_of(name);
  const std::lock_guard writing(sink.writing);
  std::uint64_t next = sink.next_dead_letter;
  StoreWrite write;
  std::map<std::string, std::uint64_t> ids;
  for (const Rejected& row : rejected) {
    std::string key = keys::reject(name, row);
    auto [it, is_new] = ids.emplace(key, next);
    if (is_new) {
      auto parked = store_->get(kMetaSpace, key);
      if (!parked) return std::move(parked).error();
      if (*parked) {
        const auto id = decode<std::uint64_t>(**parked);
        if (!id) return id.error();
        it->second = *id;
      } else {
        ++next;
      }
    }
    write.put(kMetaSpace, keys::dead_letter(name, it->second),
              encode(DeadLetter{it->second, environment_.clock.wall_us(), row}));
    write.put(kMetaSpace, std::move(key), encode_number(it->second));
  }
  write.put(kMetaSpace, keys::sink(name), durable.text());
  MILLRACE_TRY(store_->write(write));
  const std::lock_guard lock(mutex_);
  sink.position = durable;
  sink.next_dead_letter = next;
  return {};
}

Result<std::vector<DeadLetter>> StoreLog::dead_letters(std::string_view sink, std::uint64_t from_id,
                                                       std::size_t limit) {
  auto entries = store_->scan(kMetaSpace, keys::dead_letter(sink, from_id),
                              keys::prefix_end(keys::dead_letters(sink)), {limit, SIZE_MAX});
  if (!entries) return std::move(entries).error();
  std::vector<DeadLetter> out;
  for (const StoreEntry& entry : *entries) {
    auto letter = decode<DeadLetter>(entry.value);
    if (!letter) return std::move(letter).error();
    letter->id = keys::tail_u64(entry.key);
    out.push_back(std::move(*letter));
  }
  return out;
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
  write.remove_range(kMetaSpace, keys::rejects(name), keys::prefix_end(keys::rejects(name)));
  MILLRACE_TRY(store_->write(write));
  const std::lock_guard lock(mutex_);
  sink.position.reset();
  sink.next_dead_letter = 1;
  return {};
}

}  // namespace millrace
