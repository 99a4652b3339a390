#pragma once

#include <string_view>

namespace millrace::redis {

/// Rows of one table inside the documents of another. A row lies in an object of its parent (the document, or
/// a row in it) under a name of its own, or in an array there, which is sorted by the member that tells its
/// rows apart; and it may hold such objects and arrays itself. While its parent is not there it waits in a
/// hash beside the document, `<path of the parent>\n<end of the object's path>\n<name>` to the row, so that
/// the order in which rows of the tables come and go does not matter: when a parent comes, what waits for it
/// goes in; when it goes, what lies in it waits.
///
/// RedisJSON makes no member at a path with a filter in it, so there an empty one is merged into the parent.
///
/// KEYS: the document, the hash of those that wait. ARGV: `put` or `remove`; the path of the parent, the end
/// of the object's path and the row's name in it (all empty: the row is the document; see nest_part); the row
/// as JSON; the objects of other rows in it (nest_tree_json); then for each column that keeps its value the
/// end of its path. Answers 1; kAbsentReply when a value to be kept is not there, and nothing is then
/// written.
inline constexpr std::string_view kNest = R"lua(local key, waiting = KEYS[1], KEYS[2]
local parent, part, name, row = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local inside = cjson.decode(ARGV[6])
local function kind(path) return redis.call('EXISTS', key) == 1 and redis.call('JSON.TYPE', key, path)[1] end
local function get(path) return string.sub(redis.call('JSON.GET', key, path), 2, -2) end
local function box_of(part) return string.match(part, '^%["[^"]*"%]') end
local function id_of(part) return string.match(part, '%[%?%(@(%["[^"]*"%])==$') end
local function path_of(parent, part, name)
  if part == '' then return '$' end
  if id_of(part) then return parent .. part .. name .. ')]' end
  return parent .. part .. '["' .. name .. '"]'
end
local function field_of(parent, part, name) return parent .. '\0' .. part .. '\0' .. name end
local function write(path, value)
  local node, last = string.match(path, '^(.*)%["([^"]*)"%]$')
  if node and string.find(node, '[?', 1, true) and not kind(path) then
    redis.call('JSON.MERGE', key, node, '{' .. cjson.encode(last) .. ':{}}')
  end
  redis.call('JSON.SET', key, path, value)
end
local function names_in(box, part)
  local id = id_of(part)
  if not id then return redis.call('JSON.OBJKEYS', key, box)[1] end
  local names, text, at = {}, redis.call('JSON.GET', key, box .. '[*]' .. id), 2
  while true do
    local one = string.match(text, '^"[^"]*"', at) or string.match(text, '^[^,%]]+', at)
    if not one then return names end
    names[#names + 1] = one
    at = at + #one + 1
  end
end
local function index_in(box, part, name)
  local wanted = cjson.decode('[' .. name .. ']')[1]
  for i, one in ipairs(names_in(box, part)) do
    local readable, there = pcall(cjson.decode, '[' .. one .. ']')
    if readable and type(there[1]) == type(wanted) and there[1] > wanted then return i - 1 end
  end
  return redis.call('JSON.ARRLEN', key, box)[1]
end
local function evict(node, tree)
  for part, below in pairs(tree) do
    local box = node .. box_of(part)
    if kind(box) == (id_of(part) and 'array' or 'object') then
      for _, name in ipairs(names_in(box, part)) do
        local one = path_of(node, part, name)
        if kind(one) then
          evict(one, below)
          redis.call('HSET', waiting, field_of(node, part, name), get(one))
        end
      end
    end
    redis.call('JSON.DEL', key, box)
  end
end
local function place(parent, part, name, row)
  local path = path_of(parent, part, name)
  if part ~= '' then
    if kind(parent) ~= 'object' then return false end
    local box, is_array = parent .. box_of(part), id_of(part)
    if kind(box) ~= (is_array and 'array' or 'object') then write(box, is_array and '[]' or '{}') end
    if is_array and not kind(path) then
      redis.call('JSON.ARRINSERT', key, box, index_in(box, part, name), row)
      return true
    end
  end
  write(path, row)
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
    local box = box_of(part)
    if kind(node .. box) then kept[#kept + 1] = {box, get(node .. box)} end
  end
end
if not place(parent, part, name, row) then
  redis.call('HSET', waiting, field_of(parent, part, name), row)
  return 1
end
for _, one in ipairs(kept) do write(node .. one[1], one[2]) end
settle()
return 1)lua";

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
