#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "log/log.h"

namespace millrace {

/// How `consume` shows a row: one JSON text.
enum class RecordFormat : std::uint8_t {
  kJson,      ///< `{"topic","offset","op","commit","index","committed_at","before","after"}`
  kDebezium,  ///< Debezium's envelope
};

/// `json` or `debezium`.
[[nodiscard]] std::optional<RecordFormat> parse_record_format(std::string_view text);

/// Appends the row without a line break. An error names the column that cannot be written; `out` is then as
/// before.
[[nodiscard]] Status append_record(std::string& out, std::string_view topic, const TopicRow& row,
                                   RecordFormat format);

}  // namespace millrace
