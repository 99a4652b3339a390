#pragma once

#include <string_view>
#include <utility>

#include "base/result.h"

namespace millrace {

/// The exception being handled, as a stop error. Names its type, not its text: that may hold a cell value.
[[nodiscard]] Error error_of_current_exception(std::string_view what);

/// Calls into a connector or log, whose libraries may throw. `call` answers a Status or Result; an exception
/// becomes a stop error that names `what`.
template <typename Call>
auto guard(std::string_view what, Call&& call) -> decltype(call()) {
  try {
    return std::forward<Call>(call)();
  } catch (...) {
    return error_of_current_exception(what);
  }
}

/// The same for a call that answers nothing and whose failure changes nothing, such as `close`.
template <typename Call>
void guard_quietly(Call&& call) noexcept {
  try {
    std::forward<Call>(call)();
  } catch (...) {
    // The connection is given up either way.
    return;
  }
}

}  // namespace millrace
