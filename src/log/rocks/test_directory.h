#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/check.h"

namespace millrace {

/// A folder of its own for a test, gone with it.
class TestDirectory {
 public:
  TestDirectory() : path_((std::filesystem::temp_directory_path() / "millrace-log-XXXXXX").string()) {
    MILLRACE_CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace millrace
