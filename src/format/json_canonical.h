#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// One text for each JSON value, however it was written: no spaces, members in the order of their names (the
/// last of a name counts), strings with the fewest escapes, numbers as integers where they are such and fit
/// 64 bits, else as the shortest text of the nearest double. Nothing when `text` is not JSON or is nested
/// deeper than 512. Pure.
[[nodiscard]] std::optional<std::string> canonical_json(std::string_view text);

/// The members of a JSON object in that form, by their names. Nothing when it is none. Pure.
[[nodiscard]] std::optional<std::map<std::string, std::string>> json_members(std::string_view text);

/// Whether two canonical texts are the same value, where numbers with a fraction may be off by a few of their
/// last bits: RedisJSON, for one, does not read every double exactly. Pure.
[[nodiscard]] bool same_canonical(std::string_view a, std::string_view b);

}  // namespace millrace
