#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "connect/interpolation.h"

namespace millrace {

/// Values for tests: an environment and a file system made of maps.
class FakeValues final : public ValueSource {
 public:
  FakeValues() = default;
  FakeValues(std::map<std::string, std::string> environment, std::map<std::string, std::string> files)
      : environment_(std::move(environment)), files_(std::move(files)) {}

  [[nodiscard]] std::optional<std::string> environment(const std::string& name) const override {
    const auto at = environment_.find(name);
    return at == environment_.end() ? std::nullopt : std::optional(at->second);
  }
  [[nodiscard]] Result<std::string> file(const std::string& path) const override {
    const auto at = files_.find(path);
    if (at == files_.end()) return stop_error("cannot read " + path + ": no such file");
    return at->second;
  }

 private:
  std::map<std::string, std::string> environment_;
  std::map<std::string, std::string> files_;
};

}  // namespace millrace
