#include "log/rocks/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/text.h"

namespace millrace {
namespace {

std::string reason(int error) { return std::error_code(error, std::generic_category()).message(); }

/// The process that wrote its number into the lock file.
std::optional<std::uint64_t> number_in(int file) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(file, text.data(), text.size(), 0);
  return parse_uint64({text.data(), size > 0 ? static_cast<std::size_t>(size) : 0});
}

std::string holder_name(int file) {
  const auto pid = number_in(file);
  return pid ? "process " + std::to_string(*pid) : "another process";
}

std::string lock_path(const std::string& directory) { return directory + "/lock"; }

}  // namespace

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::take(const std::string& directory) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) {
    return stop_error("cannot make the log's directory " + directory + ": " + failed.message(),
                      "set log.dir to a directory that this user may write to");
  }
  const std::string path = lock_path(directory);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (file < 0) {
    return stop_error("cannot open " + path + ": " + reason(errno),
                      "set log.dir to a directory that this user may write to");
  }
  std::unique_ptr<DirectoryLock> lock(new DirectoryLock(file));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return stop_error("cannot lock " + path + ": " + reason(errno));
    return stop_error(holder_name(file) + " uses the log in " + directory + " already",
                      "stop that process, or set log.dir to another directory");
  }
  // The number is for people: the kernel's lock is what counts, so a full disk is no reason to stop here.
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(file, 0) == 0) static_cast<void>(::pwrite(file, pid.data(), pid.size(), 0));
  return lock;
}

std::optional<std::uint64_t> DirectoryLock::holder(const std::string& directory) {
  const int file = ::open(lock_path(directory).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  const DirectoryLock closed_at_the_end(file);
  if (::flock(file, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return std::nullopt;
  return number_in(file).value_or(0);
}

DirectoryLock::~DirectoryLock() { ::close(file_); }

}  // namespace millrace
