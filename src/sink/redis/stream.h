#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace millrace::redis {

struct ClientOptions;

/// A connected, non-blocking byte stream: TCP or Unix socket, with TLS or without. One thread.
class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  struct Moved {
    std::size_t bytes = 0;
    bool closed = false;      ///< the peer has ended the connection
    bool wants_read = false;  ///< nothing moved; try again when the socket is readable (else: writable)
  };
  [[nodiscard]] virtual Result<Moved> write(std::string_view bytes) = 0;
  [[nodiscard]] virtual Result<Moved> read(char* to, std::size_t size) = 0;
  /// True when bytes were received that `read` has not handed out: the socket need not be readable.
  [[nodiscard]] virtual bool pending() const = 0;
  [[nodiscard]] virtual int descriptor() const = 0;

  /// Resolves, connects and shakes hands until `until_us`. Errors say where, never with the password.
  [[nodiscard]] static Result<std::unique_ptr<Stream>> open(const ClientOptions& options, Clock& clock,
                                                            std::int64_t until_us);
};

}  // namespace millrace::redis
