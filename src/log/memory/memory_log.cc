#include "log/memory/memory_log.h"

#include <iterator>
#include <utility>

#include "log/records.h"

namespace millrace {

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(MemoryDisk& disk) : disk_(disk) {}

  Status open_space(StoreSpace space) override {
    const std::lock_guard lock(disk_.mutex_);
    disk_.spaces_.try_emplace(space);
    return {};
  }

  Status write(const StoreWrite& write) override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.full_) return retry_error("the log's disk is full", "free room on the disk of log.dir");
    for (const StoreWrite::Operation& operation : write.operations()) apply(operation);
    return {};
  }

  Result<std::optional<std::string>> get(StoreSpace space, std::string_view key) override {
    const std::lock_guard lock(disk_.mutex_);
    const MemoryDisk::Entries& entries = disk_.spaces_[space];
    const auto it = entries.find(key);
    if (it == entries.end()) return std::optional<std::string>{};
    return std::optional<std::string>(it->second);
  }

  Result<std::vector<StoreEntry>> scan(StoreSpace space, std::string_view begin, std::string_view end,
                                       const ScanLimits& limits) override {
    const std::lock_guard lock(disk_.mutex_);
    const MemoryDisk::Entries& entries = disk_.spaces_[space];
    std::vector<StoreEntry> out;
    std::size_t bytes = 0;
    for (auto it = entries.lower_bound(begin); it != entries.end() && it->first < end; ++it) {
      if (out.size() >= limits.entries || bytes >= limits.bytes) break;
      out.push_back({it->first, it->second});
      bytes += it->second.size();
    }
    return out;
  }

  Result<std::optional<StoreEntry>> last(StoreSpace space, std::string_view begin,
                                         std::string_view end) override {
    const std::lock_guard lock(disk_.mutex_);
    const MemoryDisk::Entries& entries = disk_.spaces_[space];
    const auto it = entries.lower_bound(end);
    if (it == entries.begin() || std::prev(it)->first < begin) return std::optional<StoreEntry>{};
    return std::optional<StoreEntry>({std::prev(it)->first, std::prev(it)->second});
  }

  Status release(StoreSpace space, std::string_view end) override {
    const std::lock_guard lock(disk_.mutex_);
    MemoryDisk::Entries& entries = disk_.spaces_[space];
    entries.erase(entries.begin(), entries.lower_bound(end));
    return {};
  }

  Result<DiskRoom> room() override {
    const std::lock_guard lock(disk_.mutex_);
    return DiskRoom{disk_.free_bytes_, 0};
  }

 private:
  void apply(const StoreWrite::Operation& operation) {
    MemoryDisk::Entries& entries = disk_.spaces_[operation.space];
    switch (operation.kind) {
      case StoreWrite::Kind::kPut:
        entries.insert_or_assign(operation.key, operation.value);
        break;
      case StoreWrite::Kind::kPutView:
        entries.insert_or_assign(operation.key, std::string(operation.view));
        break;
      case StoreWrite::Kind::kRemove:
        entries.erase(operation.key);
        break;
      case StoreWrite::Kind::kRemoveRange:
        entries.erase(entries.lower_bound(operation.key), entries.lower_bound(operation.value));
        break;
    }
  }

  MemoryDisk& disk_;
};

bool MemoryDisk::damage_image(StreamId stream, std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  Entries& entries = spaces_[keys::image_space(stream)];
  const auto it = entries.find(keys::image(sequence));
  if (it == entries.end() || it->second.empty()) return false;
  char& byte = it->second[it->second.size() / 2];
  byte = static_cast<char>(byte ^ 1);
  return true;
}

Result<std::unique_ptr<Log>> open_memory_log(MemoryDisk& disk, const StoreLogOptions& options, Clock& clock,
                                             Logger& logger, Metrics& metrics, FailPoints& failpoints) {
  return open_store_log(std::make_unique<MemoryStore>(disk), options, {clock, logger, metrics, failpoints});
}

}  // namespace millrace
