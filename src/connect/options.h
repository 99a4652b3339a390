#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

enum class OptionType : std::uint8_t { kBoolean, kInteger, kText, kSecret, kList, kPatternList, kEnum };
enum class Importance : std::uint8_t { kHigh, kMedium, kLow };

/// One option of a connector: validation, `explain`, the docs page and REST definitions all come from this
/// row.
struct OptionSpec {
  /// Debezium's or Kafka Connect's own name where one exists. A part in angle brackets stands for any name
  /// (`indexes.<index>.prefix`); the last part in brackets takes the rest, dots included.
  std::string_view name{};
  OptionType type = OptionType::kText;
  std::optional<std::string_view> default_value{};  ///< none: unset unless given
  bool required = false;
  Importance importance = Importance::kMedium;
  std::string_view group{};
  std::string_view doc{};                   ///< one or more plain sentences
  std::vector<std::string_view> choices{};  ///< of a kEnum
  std::optional<std::int64_t> minimum{};    ///< of a kInteger
  std::optional<std::int64_t> maximum{};
  std::vector<std::string_view> aliases{};  ///< older names that mean the same
};

}  // namespace millrace
