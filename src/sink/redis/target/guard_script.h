#pragma once

#include <string_view>

namespace millrace::redis {

/// In front of a key, in braces so that a cluster has both in one slot: the version of its last write.
inline constexpr std::string_view kVersionPrefix = "millrace:version:";

/// What the guard answers when the key has a later version: nothing was done.
inline constexpr std::string_view kStaleReply = "MILLRACE_STALE";

/// Runs commands unless the key has a later version than theirs. Stands behind `local scripts = {...}`,
/// functions that take KEYS and ARGV. KEYS: the key, that of its version. ARGV: the version; for how many
/// seconds it is kept longer than the key; then each command: number of its words, number of the script that
/// it calls or 0, its words (of a call: number of keys, keys, arguments). The answer is the last command's.
/// The version is written last: an error leaves the key to whoever comes again.
inline constexpr std::string_view kGuardTail = R"(
local known = redis.call('GET', KEYS[2])
if known and known > ARGV[1] then return redis.status_reply('MILLRACE_STALE') end
local done
local at = 3
while at <= #ARGV do
  local size, number = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local words = {}
  for i = at + 2, at + 1 + size do words[#words + 1] = ARGV[i] end
  at = at + 2 + size
  if number == 0 then
    done = redis.call(unpack(words))
  else
    local keys, rest = {}, {}
    local count = tonumber(words[1])
    for i = 2, #words do
      if i <= count + 1 then keys[#keys + 1] = words[i] else rest[#rest + 1] = words[i] end
    end
    done = scripts[number](keys, rest)
    if type(done) == 'table' and done.err then return done end
  end
end
local left = redis.call('PTTL', KEYS[1])
if left == -1 then
  redis.call('SET', KEYS[2], ARGV[1])
else
  redis.call('SET', KEYS[2], ARGV[1], 'PX', string.format('%.0f', math.max(left, 0) + tonumber(ARGV[2]) * 1000))
end
return done)";

}  // namespace millrace::redis
