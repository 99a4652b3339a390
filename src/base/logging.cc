#include "base/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <charconv>

namespace millrace {
namespace {

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void append_value(std::string& out, const LogField& field, bool always_quote) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    const bool plain = !text->empty() && text->find_first_of(" \t\r\n\"=\\") == std::string_view::npos;
    if (plain && !always_quote) {
      out += *text;
    } else {
      append_quoted(out, *text);
    }
  } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
    out += std::to_string(*number);
  } else {
    out += fmt::format("{}", std::get<double>(field.value));
  }
}

spdlog::level::level_enum library_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

struct Logger::Impl {
  std::shared_ptr<spdlog::logger> out;
  LogFormat format = LogFormat::kText;
};

Logger::Logger() : impl_(std::make_unique<Impl>()) {}

Logger::Logger(LogLevel level, LogFormat format) : impl_(std::make_unique<Impl>()) {
  impl_->format = format;
  impl_->out = std::make_shared<spdlog::logger>("millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  impl_->out->set_level(library_level(level));
  impl_->out->flush_on(spdlog::level::debug);
  constexpr const char* kTime = "%Y-%m-%dT%H:%M:%S.%e";
  const auto pattern = format == LogFormat::kText ? fmt::format("{}Z %-5l %v", kTime)
                                                  : fmt::format("{{\"time\":\"{}Z\",\"level\":\"%l\",%v}}", kTime);
  impl_->out->set_pattern(pattern, spdlog::pattern_time_type::utc);
}

Logger::~Logger() = default;

void Logger::write(LogLevel level, std::string_view message, const std::vector<LogField>& fields) {
  if (!impl_->out || !impl_->out->should_log(library_level(level))) return;
  std::string line;
  if (impl_->format == LogFormat::kText) {
    line = message;
    for (const LogField& field : fields) {
      line += ' ';
      line += field.name;
      line += '=';
      append_value(line, field, false);
    }
  } else {
    line = "\"message\":";
    append_quoted(line, message);
    for (const LogField& field : fields) {
      line += ',';
      append_quoted(line, field.name);
      line += ':';
      append_value(line, field, true);
    }
  }
  impl_->out->log(library_level(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace millrace
