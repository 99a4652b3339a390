#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "log/store.h"
#include "log/store_log.h"

namespace millrace {

/// What a MemoryLog writes to. It stands for the disk: a log that is destroyed at any moment leaves in it
/// what it had answered, and the next one opened on it goes on from there. Outlives the logs on it.
/// Thread-safe.
class MemoryDisk {
 public:
  using Entries = std::map<std::string, std::string, std::less<>>;

  /// What the disk says is left; writes are not held against it.
  void set_free_bytes(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    free_bytes_ = bytes;
  }
  /// While true every write fails as on a full disk and leaves nothing behind.
  void set_full(bool full) {
    const std::lock_guard lock(mutex_);
    full_ = full;
  }
  /// Changes one byte of a stored batch image, as a bad disk would. False when there is no such batch.
  bool damage_image(StreamId stream, std::uint64_t sequence);

 private:
  friend class MemoryStore;
  std::mutex mutex_;
  std::map<StoreSpace, Entries> spaces_;
  std::uint64_t free_bytes_ = 1ULL << 40U;
  bool full_ = false;
};

/// The log for tests and the simulator: the rules of the real one over a MemoryDisk.
[[nodiscard]] Result<std::unique_ptr<Log>> open_memory_log(MemoryDisk& disk, const StoreLogOptions& options,
                                                           Clock& clock, Logger& logger, Metrics& metrics,
                                                           FailPoints& failpoints);

}  // namespace millrace
