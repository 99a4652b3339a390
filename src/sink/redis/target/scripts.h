#pragma once

#include <string_view>

namespace millrace::redis {

/// What the scripts answer when the document whose values are to be kept is not there.
inline constexpr std::string_view kAbsentReply = "MILLRACE_ABSENT";

/// What the script of a move answers instead when the position is not there either: unless there never was
/// one, Redis has lost everything.
inline constexpr std::string_view kLostReply = "MILLRACE_ABSENT position";

/// Writes a document of which some columns were not sent and keep their values. KEYS: the key the values come
/// from, the key to write (the same, or another when the row's key has changed: the old document is then
/// removed). When the first is gone and the second is there, the move has been done before, and the values
/// are taken from the second. Refuses with kAbsentReply, and writes nothing, when a value to be kept is not
/// there. ARGV: the document of the columns known, without its last brace; then for each kept column its path
/// and `,"name":`, or nothing when the column lies in an object of the document.
inline constexpr std::string_view kMergeJson = R"(local from = KEYS[1]
if from ~= KEYS[2] and redis.call('EXISTS', from) == 0 then from = KEYS[2] end
local doc = {ARGV[1]}
local inside = {}
for i = 2, #ARGV, 2 do
  local kept = redis.call('JSON.GET', from, ARGV[i])
  if not kept or kept == '[]' then return redis.error_reply('MILLRACE_ABSENT') end
  kept = string.sub(kept, 2, -2)
  if ARGV[i + 1] == '' then
    inside[#inside + 1] = {ARGV[i], kept}
  else
    doc[#doc + 1] = ARGV[i + 1]
    doc[#doc + 1] = kept
  end
end
doc[#doc + 1] = '}'
local done = redis.call('JSON.SET', KEYS[2], '$', table.concat(doc))
for _, one in ipairs(inside) do redis.call('JSON.SET', KEYS[2], one[1], one[2]) end
if from ~= KEYS[2] then redis.call('UNLINK', from) end
return done)";

/// The same for hashes. ARGV: number of kept fields, their names, number of fields that are kept if they are
/// there, their names, number of fields to remove, their names, then fields and values to set.
inline constexpr std::string_view kMergeHash = R"(local from = KEYS[1]
if from ~= KEYS[2] and redis.call('EXISTS', from) == 0 then from = KEYS[2] end
local set = {}
local at = 2
for i = at, at + tonumber(ARGV[1]) - 1 do
  local kept = redis.call('HGET', from, ARGV[i])
  if not kept then return redis.error_reply('MILLRACE_ABSENT') end
  if from ~= KEYS[2] then set[#set + 1] = ARGV[i] set[#set + 1] = kept end
end
at = at + tonumber(ARGV[1])
for i = at + 1, at + tonumber(ARGV[at]) do
  local kept = from ~= KEYS[2] and redis.call('HGET', from, ARGV[i])
  if kept then set[#set + 1] = ARGV[i] set[#set + 1] = kept end
end
at = at + tonumber(ARGV[at]) + 1
local gone = tonumber(ARGV[at])
for i = at + gone + 1, #ARGV do set[#set + 1] = ARGV[i] end
for i = 1, #set, 1000 do redis.call('HSET', KEYS[2], unpack(set, i, math.min(i + 999, #set))) end
for i = at + 1, at + gone do redis.call('HDEL', KEYS[2], ARGV[i]) end
if from ~= KEYS[2] then redis.call('UNLINK', from) end
return 1)";

/// Ends a function `merge` that holds one of the above, to move a document and write the position in one
/// step, and answers with that HSET's reply. KEYS further: the position's hash. ARGV in front: the four
/// arguments of its HSET.
inline constexpr std::string_view kMoveTail = R"(
end
local done = merge(KEYS, {unpack(ARGV, 5)})
if type(done) == 'table' and done.err then
  if not redis.call('HMGET', KEYS[3], 'position')[1] then return redis.error_reply('MILLRACE_ABSENT position') end
  return done
end
return redis.call('HSET', KEYS[3], ARGV[1], ARGV[2], ARGV[3], ARGV[4]))";

/// Removes a key of type ARGV[1], and refuses to remove one of another type: it is not ours.
inline constexpr std::string_view kRemove = R"(local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return 0 end
if kind == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end
return redis.error_reply('WRONGTYPE Operation against a key holding the wrong kind of value'))";

/// Sets a string, and refuses to write over a key of another type, which SET would.
inline constexpr std::string_view kSetString = R"(local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' or kind == 'string' then return redis.call('SET', KEYS[1], ARGV[1]) end
return redis.error_reply('WRONGTYPE Operation against a key holding the wrong kind of value'))";

}  // namespace millrace::redis
