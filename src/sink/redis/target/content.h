#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sink/redis/client/resp.h"
#include "sink/redis/target/target_writer.h"

namespace millrace::redis {

/// What is, or should be, in the place of one row, in a form in which equal things are equal: by field, JSON
/// values canonical.
struct Content {
  bool there = false;
  bool is_json = false;  ///< the fields are canonical JSON
  std::string fault;     ///< not empty: something else is in its place
  std::map<std::string, std::string> fields;
  std::string
      objects;  ///< of what should be there, among members of others: see DocumentLayout::append_objects
  std::vector<std::string> absent;    ///< of what should be there: fields that must not be
  std::vector<std::string> fleeting;  ///< of what should be there: fields that may have gone by themselves

  /// 0: nothing is there.
  [[nodiscard]] std::uint64_t fingerprint() const;
};

/// Names of the fields in which the two differ.
[[nodiscard]] std::vector<std::string> different_fields(const Content& wanted, const Content& found);

/// What the item's row says; of a delete: nothing is there. A reject error: it cannot be written.
[[nodiscard]] Result<Content> wanted_content(const Target& target, const Item& item);

/// The same as the text that Redis would give, where its checksum can stand for it; `redis_checksum` is the
/// script's counterpart (kChecksums).
[[nodiscard]] std::optional<std::string> wanted_text(const Target& target, const Item& item);
[[nodiscard]] std::string checksum(std::string_view text);

/// The command that reads a place, and what its reply says. With `wanted`, what others may have put there
/// does not count: of targets that have others beside them.
[[nodiscard]] std::vector<std::string> read_command(const Target& target, std::string_view key,
                                                    std::string_view member);
[[nodiscard]] bool has_others_beside(const Target& target);
[[nodiscard]] Content found_content(const Target& target, const Reply& reply, const Content* wanted);

/// Leaves of a document that others write into as well (target.update: merge) what its row's removal would
/// take: with none of that, nothing of the row is there.
void keep_members_of_row(Content& found, const TablePlan& plan);

/// SHA1 of each key's value: of JSON as the server prints it, of a string. KEYS: the keys. ARGV: what TYPE
/// answers for them. An empty text: nothing there; `!`: something else.
inline constexpr std::string_view kChecksums = R"(local out = {}
local wanted = ARGV[1]
for i, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then out[i] = ''
  elseif kind ~= wanted then out[i] = '!'
  elseif wanted == 'ReJSON-RL' then out[i] = redis.sha1hex(redis.call('JSON.GET', key))
  else out[i] = redis.sha1hex(redis.call('GET', key)) end
end
return out)";

}  // namespace millrace::redis
