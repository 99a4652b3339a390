#pragma once

#include <string_view>

namespace millrace {

/// As CMakeLists.txt has it; a test holds the two together.
[[nodiscard]] constexpr std::string_view program_version() { return "0.1.0"; }

}  // namespace millrace
