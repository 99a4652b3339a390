#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace millrace {

/// What helps after a failure. Decided where the error is born; only the runtime acts on it.
enum class Next : unsigned char {
  kRetry,      ///< the same call may succeed later: the peer is busy, full or restarting
  kReconnect,  ///< the connection is gone: open again, then go on from the durable position
  kReject,     ///< this row can never be applied: park it as a dead letter and go on
  kStop,       ///< only the operator can help: a setting, a grant, a lost position
};

/// Why something the world did wrong could not be done. `message` says what failed with names, counts and
/// positions; `hint` says what the operator can do next. Neither ever holds a cell value or a secret.
struct Error {
  Next next = Next::kStop;
  std::string message;
  std::string hint;
};

[[nodiscard]] inline Error retry_error(std::string message, std::string hint = {}) {
  return {Next::kRetry, std::move(message), std::move(hint)};
}
[[nodiscard]] inline Error reconnect_error(std::string message, std::string hint = {}) {
  return {Next::kReconnect, std::move(message), std::move(hint)};
}
[[nodiscard]] inline Error reject_error(std::string message, std::string hint = {}) {
  return {Next::kReject, std::move(message), std::move(hint)};
}
[[nodiscard]] inline Error stop_error(std::string message, std::string hint = {}) {
  return {Next::kStop, std::move(message), std::move(hint)};
}

/// A value, or the error that kept it from being made. Member names are those of std::expected, so that it
/// can take this place once the compiler has it. Reading the wrong side is our fault and ends the program.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  // Not explicit, so that `return value;` and `return error;` both read as what they are.
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  [[nodiscard]] T& value() & {
    MILLRACE_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    MILLRACE_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && { return std::move(value()); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] Error& error() & {
    MILLRACE_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] const Error& error() const& {
    MILLRACE_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] Error&& error() && { return std::move(error()); }

 private:
  std::variant<T, Error> state_;
};

/// Success, or the error. `return {};` is success.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const { return ok_; }
  explicit operator bool() const { return ok_; }
  [[nodiscard]] Error& error() & {
    MILLRACE_CHECK(!ok_);
    return error_;
  }
  [[nodiscard]] const Error& error() const& {
    MILLRACE_CHECK(!ok_);
    return error_;
  }
  [[nodiscard]] Error&& error() && { return std::move(error()); }

 private:
  Error error_;
  bool ok_ = true;
};

using Status = Result<void>;

}  // namespace millrace

/// Returns the error of `expression` (a Status or Result) from the enclosing function, if it has one.
#define MILLRACE_TRY(expression)                             \
  do {                                                       \
    if (auto millrace_try_ = (expression); !millrace_try_) { \
      return std::move(millrace_try_).error();               \
    }                                                        \
  } while (false)
