#include "connect/interpolation.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "connect/fault.h"

namespace millrace {
namespace {

constexpr std::size_t kMaxBytes = 1U << 20U;
constexpr std::string_view kSpaces = " \t\r\n\f";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

std::string reason(int error) { return std::error_code(error, std::generic_category()).message(); }

class SystemValues final : public ValueSource {
 public:
  std::optional<std::string> environment(const std::string& name) const override {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  }

  Result<std::string> file(const std::string& path) const override {
    // Not blocking: a named pipe in place of the file must not hold the program up.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return stop_error(fmt::format("cannot read {}: {}", printable(path), reason(errno)));
    auto content = read_all(fd, path);
    ::close(fd);
    return content;
  }

 private:
  static Result<std::string> read_all(int fd, const std::string& path) {
    struct stat info{};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
      return stop_error(fmt::format("cannot read {}: it is not a regular file", printable(path)));
    }
    std::string content;
    char buffer[4096];
    for (;;) {
      const ssize_t got = ::read(fd, buffer, sizeof buffer);
      if (got == 0) return content;
      if (got < 0) {
        if (errno == EINTR) continue;
        return stop_error(fmt::format("cannot read {}: {}", printable(path), reason(errno)));
      }
      content.append(buffer, static_cast<std::size_t>(got));
      if (content.size() > kMaxBytes) {
        return stop_error(fmt::format("cannot read {}: it is larger than 1 MiB", printable(path)));
      }
    }
  }
};

/// Undoes the escapes of a Java properties file in `text`.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    constexpr std::string_view kFrom = "tnrf";
    constexpr std::string_view kTo = "\t\n\r\f";
    const std::size_t at = kFrom.find(c);
    out += at == std::string_view::npos ? c : kTo[at];
  }
  return out;
}

/// The value of `key` in a properties file: lines `key=value` or `key: value`, `#` and `!` begin a comment.
std::optional<std::string> find_property(std::string_view content, std::string_view key) {
  while (!content.empty()) {
    const std::size_t end = content.find('\n');
    const std::string_view line = trim(content.substr(0, end));
    content = end == std::string_view::npos ? std::string_view{} : content.substr(end + 1);
    if (line.empty() || line.front() == '#' || line.front() == '!') continue;
    std::size_t mark = 0;
    while (mark < line.size() && line[mark] != '=' && line[mark] != ':') mark += line[mark] == '\\' ? 2U : 1U;
    if (mark >= line.size()) continue;
    if (unescape(trim(line.substr(0, mark))) == key) return unescape(trim(line.substr(mark + 1)));
  }
  return std::nullopt;
}

Result<std::string> look_up_file(std::string_view argument, const std::string& folder,
                                 const ValueSource& values) {
  const std::size_t colon = argument.rfind(':');
  const std::string_view given = argument.substr(0, colon);
  if (given.empty()) return stop_error("expected ${file:PATH} or ${file:PATH:KEY}");
  const std::filesystem::path path = std::filesystem::path(folder) / std::filesystem::path(given);
  Result<std::string> content = values.file(path.string());
  if (!content) return content;
  if (colon == std::string_view::npos) return std::string(trim(*content));
  const std::string_view key = argument.substr(colon + 1);
  std::optional<std::string> value = find_property(*content, key);
  if (!value)
    return stop_error(fmt::format("file {} has no key {}", printable(path.string()), printable(key)));
  return *std::move(value);
}

bool is_provider_name(std::string_view text) {
  return !text.empty() && text.size() <= 20 &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
}

/// `reference` is what stands between `${` and `}`. Nothing: not ours, leave it.
Result<std::optional<std::string>> look_up(std::string_view reference, const std::string& folder,
                                           const ValueSource& values) {
  const std::size_t colon = reference.find(':');
  if (colon == std::string_view::npos) return std::optional<std::string>();
  const std::string_view provider = reference.substr(0, colon);
  const std::string_view argument = reference.substr(colon + 1);
  if (provider == "env") {
    auto value = values.environment(std::string(argument));
    if (!value) return stop_error(fmt::format("environment variable {} is not set", printable(argument)));
    return value;
  }
  if (provider == "file") {
    auto value = look_up_file(argument, folder, values);
    if (!value) return std::move(value).error();
    return std::optional(*std::move(value));
  }
  if (!is_provider_name(provider)) return std::optional<std::string>();
  return stop_error(
      fmt::format("${{{}:...}} is not known; expected ${{env:NAME}} or ${{file:PATH:KEY}}", provider));
}

}  // namespace

const ValueSource& system_values() {
  static const SystemValues values;
  return values;
}

Result<std::string> interpolate(std::string_view text, const std::string& folder, const ValueSource& values) {
  std::string out;
  while (!text.empty()) {
    const std::size_t begin = text.find("${");
    const std::size_t end = begin == std::string_view::npos ? begin : text.find('}', begin);
    if (end == std::string_view::npos) break;
    out += text.substr(0, begin);
    auto value = look_up(text.substr(begin + 2, end - begin - 2), folder, values);
    if (!value) return std::move(value).error();
    out += value->has_value() ? std::string_view(**value) : text.substr(begin, end - begin + 1);
    text.remove_prefix(end + 1);
    if (out.size() > kMaxBytes) return stop_error("the value is longer than 1 MiB");
  }
  out += text;
  return out;
}

}  // namespace millrace
