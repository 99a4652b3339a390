#pragma once

#include <span>

#include "connect/spec.h"

namespace millrace {

/// The whole program: reads the command line, runs the command, gives the exit code of the process.
[[nodiscard]] int run_app(int argc, const char* const* argv, std::span<const ConnectorSpec* const> specs);

}  // namespace millrace
