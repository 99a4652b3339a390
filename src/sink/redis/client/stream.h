#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
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
    bool closed = false;  ///< the peer has ended the connection
  };
  [[nodiscard]] virtual Result<Moved> write(std::string_view bytes) = 0;
  [[nodiscard]] virtual Result<Moved> read(char* to, std::size_t size) = 0;
  /// True when bytes were received that `read` has not handed out: the socket need not be readable.
  [[nodiscard]] virtual bool pending() const = 0;
  [[nodiscard]] virtual int descriptor() const = 0;

  /// How long opening may wait. A host with several addresses gives each its share of the time.
  struct Patience {
    Clock& clock;
    std::int64_t until_us;
    std::stop_token stop;  ///< asked to stop: open ends within 100 ms, but for the lookup of the name
  };
  /// Resolves, connects and shakes hands. Errors say where, never with the password.
  [[nodiscard]] static Result<std::unique_ptr<Stream>> open(const ClientOptions& options,
                                                            const Patience& patience);
};

}  // namespace millrace::redis
