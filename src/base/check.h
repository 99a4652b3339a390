#pragma once

namespace millrace {

/// Prints the broken condition and its place to standard error and aborts. For faults of ours only: what the
/// world does wrong is a Result.
[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace millrace

/// Stays on in release builds. The condition must be cheap and free of side effects.
#define MILLRACE_CHECK(condition)                      \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::millrace::check_failed(#condition, __FILE__, __LINE__))
