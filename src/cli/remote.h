#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "http/client.h"

namespace millrace {

/// Where the running process is: `--url`, else what `--file` says, else the default.
struct RemoteOptions {
  std::string url;
  std::string file;
};

/// The host and port to talk to. An error tells which of the two options is wrong.
[[nodiscard]] Result<HostPort> remote_address(const RemoteOptions& options);

/// The running process, asked over HTTP. What goes wrong is told on the console; the exit code says of what
/// kind it was.
class Remote {
 public:
  Remote(const HostPort& address, Console& console)
      : address_(address), client_(address), console_(console) {}

  /// The answer's body and headers into `answer`; kOk only for a status of success.
  [[nodiscard]] ExitCode get(const std::string& path, HttpAnswer& answer, std::int64_t timeout_ms = 10'000);
  /// A POST without a body, whose answer says only whether it was taken.
  [[nodiscard]] ExitCode post(const std::string& path, std::int64_t timeout_ms = 30'000);
  [[nodiscard]] ExitCode post(const std::string& path, const std::string& body, HttpAnswer& answer,
                              std::int64_t timeout_ms = 30'000);

 private:
  [[nodiscard]] ExitCode judge(Result<HttpAnswer> got, HttpAnswer& answer);

  HostPort address_;
  HttpClient client_;
  Console& console_;
};

}  // namespace millrace
