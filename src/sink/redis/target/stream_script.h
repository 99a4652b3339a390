#pragma once

#include <string_view>

namespace millrace::redis {

/// What kAddEvent answers when somebody else has written into the stream.
inline constexpr std::string_view kForeignReply = "MILLRACE_FOREIGN";

/// What it answers when a row that was parked would come behind later ones.
inline constexpr std::string_view kLateReply = "MILLRACE_LATE";

/// What it answers when the entry that was sent before this one is not there.
inline constexpr std::string_view kGapReply = "MILLRACE_GAP";

/// Adds an entry to a stream unless it is there. KEYS: the stream. ARGV: the id `<batch>-<row>`, the length
/// to keep or 0, `resent` for a row that was parked before or nothing, the id that must have been added
/// before or nothing, then fields and values. Redis refuses an id that is not above the last one: it has been
/// added before, as all ids of ours rise with the log. Numbers of batches stay far below 10^12, where the ids
/// begin that Redis makes of the time. A stream that nothing was ever removed from, and that yet begins
/// behind the row, was begun when Redis had just been emptied and that had not been noticed: it is begun
/// anew, unless somebody reads it in a group by now.
inline constexpr std::string_view kAddEvent = R"(local function parts(id)
  local a, b = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(a), tonumber(b)
end
local function stream()
  local info = {}
  local all = redis.pcall('XINFO', 'STREAM', KEYS[1])
  for i = 1, #all, 2 do info[all[i]] = all[i + 1] end
  return info, all.err and string.find(all.err, 'WRONGTYPE')
end
if ARGV[4] ~= '' then
  local info, other_type = stream()
  local a, b = parts(info['last-generated-id'] or '0-0')
  local c, d = parts(ARGV[4])
  if not other_type and (a < c or (a == c and b < d)) then return redis.error_reply('MILLRACE_GAP') end
end
local args = {}
if ARGV[2] ~= '0' then args = {'MAXLEN', '~', ARGV[2]} end
args[#args + 1] = ARGV[1]
for i = 5, #ARGV do args[#args + 1] = ARGV[i] end
local done = redis.pcall('XADD', KEYS[1], unpack(args))
if type(done) ~= 'table' or not done.err or not string.find(done.err, 'equal or smaller') then return done end
if ARGV[3] ~= '' and #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then
  return redis.error_reply('MILLRACE_LATE')
end
local info = stream()
if parts(info['last-generated-id']) >= 1000000000000 then return redis.error_reply('MILLRACE_FOREIGN') end
local first = info['first-entry'] and info['first-entry'][1]
if ARGV[3] ~= '' or not first or info['groups'] > 0 or info['entries-added'] ~= info['length'] then
  return ARGV[1]
end
local a, b = parts(ARGV[1])
local c, d = parts(first)
if a > c or (a == c and b >= d) then return ARGV[1] end
redis.call('DEL', KEYS[1])
return redis.call('XADD', KEYS[1], unpack(args)))";

}  // namespace millrace::redis
