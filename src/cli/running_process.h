#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

/// What the process that runs a pipeline file says of it over HTTP, for commands that work beside it. One
/// thread.
class RunningProcess {
 public:
  /// `file`: the pipeline file, whose http.listen says where it is.
  explicit RunningProcess(std::string file) : file_(std::move(file)) {}

  /// Why `sink` may not yet have applied what was committed more than `within_ms` ago: it, or one of
  /// `sources`, does not run or is behind. Empty when it has, and when no process answers.
  [[nodiscard]] std::string why_behind(const std::string& sink, const std::vector<std::string>& sources,
                                       std::int64_t within_ms) const;

 private:
  std::string file_;
};

}  // namespace millrace
