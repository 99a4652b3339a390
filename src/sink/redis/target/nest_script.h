#pragma once

#include <string_view>

namespace millrace::redis {

/// Rows of one table inside the documents of another. A row lies in an object of its parent (the document, or
/// a row in it) under a name of its own, and may hold such objects itself. While its parent is not there it
/// waits in a hash beside the document, `<path of the parent>\n<end of the object's path>\n<name>` to the
/// row, so that the order in which rows of the tables come and go does not matter: when a parent comes, what
/// waits for it goes in; when it goes, what lies in it waits.
///
/// KEYS: the document, the hash of those that wait. ARGV: `put` or `remove`; the path of the parent, the end
/// of the object's path and the row's name in it (all empty: the row is the document); the row as JSON; the
/// objects of other rows in it (nest_tree_json); then for each column that keeps its value the end of its
/// path. Answers 1; kAbsentReply when a value to be kept is not there, and nothing is then written.
inline constexpr std::string_view kNest = R"(local key, waiting = KEYS[1], KEYS[2]
local parent, part, name, row = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local inside = cjson.decode(ARGV[6])
local function kind(path) return redis.call('EXISTS', key) == 1 and redis.call('JSON.TYPE', key, path)[1] end
local function get(path) return string.sub(redis.call('JSON.GET', key, path), 2, -2) end
local function path_of(parent, part, name)
  if part == '' then return '$' end
  return parent .. part .. '["' .. name .. '"]'
end
local function field_of(parent, part, name) return parent .. '\0' .. part .. '\0' .. name end
local function evict(node, tree)
  for part, below in pairs(tree) do
    if kind(node .. part) == 'object' then
      for _, name in ipairs(redis.call('JSON.OBJKEYS', key, node .. part)[1]) do
        local one = path_of(node, part, name)
        evict(one, below)
        redis.call('HSET', waiting, field_of(node, part, name), get(one))
      end
    end
    redis.call('JSON.DEL', key, node .. part)
  end
end
local function place(parent, part, name, row)
  if part ~= '' then
    if kind(parent) ~= 'object' then return false end
    if kind(parent .. part) ~= 'object' then redis.call('JSON.SET', key, parent .. part, '{}') end
  end
  redis.call('JSON.SET', key, path_of(parent, part, name), row)
  return true
end
local function settle()
  if redis.call('EXISTS', waiting) == 0 then return end
  repeat
    local moved = false
    local all = redis.call('HGETALL', waiting)
    for i = 1, #all, 2 do
      local parent, part, name = string.match(all[i], '^([^%z]*)%z([^%z]*)%z(.*)$')
      if place(parent, part, name, all[i + 1]) then
        redis.call('HDEL', waiting, all[i])
        moved = true
      end
    end
  until not moved
end
local node = path_of(parent, part, name)
local there = kind(node)
if ARGV[1] == 'remove' then
  if part ~= '' then redis.call('HDEL', waiting, field_of(parent, part, name)) end
  if not there then return 1 end
  evict(node, inside)
  redis.call('JSON.DEL', key, node)
  return 1
end
local kept = {}
for i = 7, #ARGV do
  if not there or not kind(node .. ARGV[i]) then return redis.error_reply('MILLRACE_ABSENT') end
  kept[#kept + 1] = {ARGV[i], get(node .. ARGV[i])}
end
if there then
  for part, _ in pairs(inside) do
    if kind(node .. part) then kept[#kept + 1] = {part, get(node .. part)} end
  end
end
if not place(parent, part, name, row) then
  redis.call('HSET', waiting, field_of(parent, part, name), row)
  return 1
end
for _, one in ipairs(kept) do redis.call('JSON.SET', key, node .. one[1], one[2]) end
settle()
return 1)";

/// Takes all rows of one table out of documents. KEYS: documents and the hashes of those that wait, by turns.
/// ARGV: the path of the objects with `*` for each row in between, and what a field of the hash is to match
/// (a Lua pattern).
inline constexpr std::string_view kNestClear = R"(for i = 1, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('JSON.DEL', KEYS[i], ARGV[1]) end
  for _, field in ipairs(redis.call('HKEYS', KEYS[i + 1])) do
    if string.match(field, ARGV[2]) then redis.call('HDEL', KEYS[i + 1], field) end
  end
end
return 1)";

}  // namespace millrace::redis
