#pragma once

#include <cstdint>
#include <utility>

#include "base/result.h"
#include "http/url.h"

namespace millrace {

/// Owns a file descriptor.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  ~FileHandle();

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Listening {
  FileHandle handle;  ///< non-blocking
  HostPort address;   ///< the real one
};

/// Binds and listens. A stop error that says who is in the way.
[[nodiscard]] Result<Listening> listen_on(const HostPort& address);

/// Set by one thread, seen by all that poll it: stays readable for good. Thread-safe.
class StopEvent {
 public:
  StopEvent();
  void set();
  [[nodiscard]] int fd() const { return handle_.get(); }

 private:
  FileHandle handle_;
};

/// Waits for `events` (poll's) on `fd`; false when the time is over, the event was set or the peer has gone.
[[nodiscard]] bool wait_for(int fd, short events, const StopEvent& stop, std::int64_t timeout_ms);

}  // namespace millrace
