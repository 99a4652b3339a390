#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/result.h"

namespace millrace {

/// What is wrong with one connector's settings beyond what its option table tells by itself: values of a form
/// of their own, options that exclude or need one another. One look finds all of it.
class SettingFaults {
 public:
  struct Fault {
    std::string option;  ///< the one to be changed; empty: none above the others
    std::string text;    ///< what was expected; never a secret
    std::string hint;
  };

  void add(std::string option, std::string text, std::string hint = {}) {
    all_.push_back({std::move(option), std::move(text), std::move(hint)});
  }
  void add(std::string option, const Error& error) { add(std::move(option), error.message, error.hint); }

  [[nodiscard]] bool empty() const { return all_.empty(); }
  [[nodiscard]] const std::vector<Fault>& all() const { return all_; }
  /// The first as an error of its own. There must be one.
  [[nodiscard]] Error error() const {
    MILLRACE_CHECK(!all_.empty());
    const Fault& first = all_.front();
    return stop_error(first.option.empty() ? first.text : first.option + ": " + first.text, first.hint);
  }

 private:
  std::vector<Fault> all_;
};

}  // namespace millrace
