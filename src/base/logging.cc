#include "base/logging.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace millrace {
namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      break;
  }
  return "error";
}

void append_number(std::string& out, std::int64_t value) { out += std::to_string(value); }

void append_number(std::string& out, double value) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{}) out.append(text.data(), end);
}

/// Escapes what would end a string or a line. Text that is not UTF-8 loses its bytes above ASCII, so that a
/// line is always readable.
void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const bool well_formed = is_utf8(text);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 0xFU]);
    } else if (byte >= 0x80 && !well_formed) {
      out += "\\ufffd";
    } else {
      out.push_back(c);
    }
  }
}

bool needs_quotes(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F || c == '"' || c == '=' || c == '\\') return true;
  }
  return text.empty();
}

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  append_escaped(out, text);
  out.push_back('"');
}

std::string text_line(LogLevel level, std::string_view message, const std::vector<LogField>& fields) {
  std::string line(level_name(level));
  line.resize(6, ' ');
  append_escaped(line, message);
  for (const LogField& field : fields) {
    line.push_back(' ');
    append_escaped(line, field.name);
    line.push_back('=');
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      if (needs_quotes(*text)) {
        append_quoted(line, *text);
      } else {
        line += *text;
      }
    } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
      append_number(line, *number);
    } else {
      append_number(line, std::get<double>(field.value));
    }
  }
  return line;
}

std::string json_line(LogLevel level, std::string_view message, const std::vector<LogField>& fields) {
  std::string line = "\"level\":\"";
  line += level_name(level);
  line += "\",\"message\":";
  append_quoted(line, message);
  for (const LogField& field : fields) {
    line.push_back(',');
    append_quoted(line, field.name);
    line.push_back(':');
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      append_quoted(line, *text);
    } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
      append_number(line, *number);
    } else if (const double value = std::get<double>(field.value); std::isfinite(value)) {
      append_number(line, value);
    } else {
      line += "null";  // JSON has no NaN
    }
  }
  return line;
}

}  // namespace

struct Logger::Impl {
  Impl(LogLevel lowest, LogFormat line_format)
      : level(lowest),
        format(line_format),
        out("millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    const std::string time = "%Y-%m-%dT%H:%M:%S.%eZ";
    const std::string pattern = format == LogFormat::kJson ? "{\"time\":\"" + time + "\",%v}" : time + " %v";
    out.set_formatter(
        std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc, "\n"));
    out.set_level(spdlog::level::trace);
  }

  LogLevel level;
  LogFormat format;
  spdlog::logger out;
};

Logger::Logger() = default;
Logger::Logger(LogLevel level, LogFormat format) : impl_(std::make_unique<Impl>(level, format)) {}
Logger::~Logger() = default;

void Logger::write(LogLevel level, std::string_view message, const std::vector<LogField>& fields) {
  if (impl_ == nullptr || level < impl_->level) return;
  const std::string line = impl_->format == LogFormat::kJson ? json_line(level, message, fields)
                                                             : text_line(level, message, fields);
  impl_->out.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace millrace
