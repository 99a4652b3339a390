#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"

namespace millrace {

/// Keeps other processes, and other logs of this one, out of a directory for as long as it lives. The file
/// `lock` in it stays behind and means nothing by itself.
class DirectoryLock {
 public:
  /// Makes the directory when it is not there. A stop error that names the holder when it is taken.
  [[nodiscard]] static Result<std::unique_ptr<DirectoryLock>> take(const std::string& directory);
  /// The process that has the directory, 0 when its number is not known; nothing when none has it. Changes
  /// nothing; a `take` in the instant of the question is refused.
  [[nodiscard]] static std::optional<std::uint64_t> holder(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int file) : file_(file) {}
  int file_;
};

}  // namespace millrace
