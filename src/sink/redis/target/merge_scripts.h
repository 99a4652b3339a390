#pragma once

#include <string_view>

/// Lua that runs in Redis, of target.update: merge, where rows share documents.

namespace millrace::redis {

/// Writes members of a document and leaves its others alone. KEYS: the key. ARGV: the whole document for when
/// there is none, or nothing when it is not known whole (kAbsentReply then); the objects in which members
/// lie, or nothing; then paths and values.
inline constexpr std::string_view kMergeIntoJson = R"(if redis.call('EXISTS', KEYS[1]) == 0 then
  if ARGV[1] == '' then return redis.error_reply('MILLRACE_ABSENT') end
  return redis.call('JSON.SET', KEYS[1], '$', ARGV[1])
end
if ARGV[2] ~= '' then redis.call('JSON.MERGE', KEYS[1], '$', ARGV[2]) end
local set = {}
for i = 3, #ARGV, 2 do
  set[#set + 1] = KEYS[1]
  set[#set + 1] = ARGV[i]
  set[#set + 1] = ARGV[i + 1]
end
for i = 1, #set, 999 do redis.call('JSON.MSET', unpack(set, i, math.min(i + 998, #set))) end
return 1)";

/// Takes a row's members out of a document and leaves its others alone; with no others left the document
/// goes. Members made of the key's columns say the same of every row that shares it, so they stay while there
/// are others. KEYS: the key. ARGV: the objects in which members lie, `{"place":{}}`, which go when they are
/// empty; how many paths there are of members that go; these; the paths of those that stay.
inline constexpr std::string_view kRemoveFromJson = R"(local key = KEYS[1]
if redis.call('EXISTS', key) == 0 then return 0 end
local objects, last = cjson.decode(ARGV[1]), 2 + tonumber(ARGV[2])
local shared = {}
for i = last + 1, #ARGV do shared[ARGV[i]] = true end
for i = 3, last do redis.call('JSON.DEL', key, ARGV[i]) end
local function tidy(path, objects)
  for name, inside in pairs(objects) do
    local at = path .. '["' .. name .. '"]'
    tidy(at, inside)
    if (redis.call('JSON.OBJLEN', key, at) or {})[1] == 0 then redis.call('JSON.DEL', key, at) end
  end
end
local function has_others(value, path, objects)
  for name, one in pairs(value) do
    local at = path .. '["' .. name .. '"]'
    local inside = objects[name]
    if inside and type(one) == 'table' then
      if has_others(one, at, inside) then return true end
    elseif not shared[at] then
      return true
    end
  end
  return false
end
tidy('$', objects)
local left = cjson.decode(redis.call('JSON.GET', key))
if type(left) == 'table' and not has_others(left, '$', objects) then redis.call('JSON.DEL', key) end
return 1)";

/// Takes a row's members from one document into another, where others may have written as well, along with
/// the values of columns that were not sent. Stands where kMergeJson (scripts.h) does, with the above as a
/// function `remove` before it. KEYS: as there. ARGV: the document of the columns known, for when there is
/// none; the objects in which members lie; how many columns are known, and their paths and values; how many
/// are kept, and their paths; then what `remove` takes behind the objects.
inline constexpr std::string_view kMoveIntoJson = R"(local from = KEYS[1]
if redis.call('EXISTS', from) == 0 then from = KEYS[2] end
local known = 3 + 2 * tonumber(ARGV[3])
local kept = known + 1 + tonumber(ARGV[known + 1])
local set = {}
local function add(path, value)
  set[#set + 1] = KEYS[2]
  set[#set + 1] = path
  set[#set + 1] = value
end
for i = known + 2, kept do
  local value = redis.call('JSON.GET', from, ARGV[i])
  if not value or value == '[]' then return redis.error_reply('MILLRACE_ABSENT') end
  add(ARGV[i], string.sub(value, 2, -2))
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('JSON.SET', KEYS[2], '$', ARGV[1])
else
  if ARGV[2] ~= '{}' then redis.call('JSON.MERGE', KEYS[2], '$', ARGV[2]) end
  for i = 4, known, 2 do add(ARGV[i], ARGV[i + 1]) end
end
for i = 1, #set, 999 do redis.call('JSON.MSET', unpack(set, i, math.min(i + 998, #set))) end
if from ~= KEYS[2] then remove({from}, {ARGV[2], unpack(ARGV, kept + 1)}) end
return 1)";

}  // namespace millrace::redis
