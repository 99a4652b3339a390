#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::postgres {

/// What an error of the server means for us, by its SQLSTATE (the manual's "PostgreSQL Error Codes"). `what`
/// says what was tried; `message` is the server's primary message. An empty `sqlstate` means that the
/// connection itself failed.
[[nodiscard]] Error server_error(std::string_view what, std::string_view sqlstate, std::string_view message);

/// Finds the SQLSTATE in libpq's text for a failed connection, which has it only inside the text (`FATAL:
/// 28P01: ...` at verbosity "verbose"). `message` becomes that error's own sentence, on one line.
struct ConnectFailure {
  std::string sqlstate;
  std::string message;
};
[[nodiscard]] ConnectFailure read_connect_failure(std::string_view text);

}  // namespace millrace::postgres
