#pragma once

namespace millrace {

/// What the process says to its caller. Documented in README.md and `millrace --help`.
enum class ExitCode : int {
  kOk = 0,           ///< also after a stop by SIGINT or SIGTERM
  kFailed = 1,       ///< something failed at run time
  kUsage = 2,        ///< wrong usage, or a pipeline file with faults
  kCheckFailed = 3,  ///< `check`, also before `run`, found something that is not well
  kUnreachable = 4,  ///< no running process answers
};

}  // namespace millrace
