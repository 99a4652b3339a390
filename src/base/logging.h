#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace millrace {

enum class LogLevel : unsigned char { kDebug, kInfo, kWarn, kError };
enum class LogFormat : unsigned char { kText, kJson };

/// One named value of a log line: a name, a count or a position, never a cell value or a secret.
struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double> value;
};

/// Structured log lines to standard error. `message` is a fixed sentence; what varies goes into fields.
/// Thread-safe; a line is written whole.
class Logger {
 public:
  /// Lines below `level` are dropped. The default logger is silent: good for unit tests.
  Logger();
  Logger(LogLevel level, LogFormat format);
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  void write(LogLevel level, std::string_view message, const std::vector<LogField>& fields = {});
  void debug(std::string_view message, const std::vector<LogField>& fields = {}) {
    write(LogLevel::kDebug, message, fields);
  }
  void info(std::string_view message, const std::vector<LogField>& fields = {}) {
    write(LogLevel::kInfo, message, fields);
  }
  void warn(std::string_view message, const std::vector<LogField>& fields = {}) {
    write(LogLevel::kWarn, message, fields);
  }
  void error(std::string_view message, const std::vector<LogField>& fields = {}) {
    write(LogLevel::kError, message, fields);
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
