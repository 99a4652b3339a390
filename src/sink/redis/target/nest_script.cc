#include "sink/redis/target/nest_script.h"

namespace millrace::redis {

const std::string_view kNest = R"lua(local key, waiting = KEYS[1], KEYS[2]
local what, parent, part, name, row = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local tree = cjson.decode(ARGV[6])
local function kind(path)
  local found = redis.call('JSON.TYPE', key, path)
  return found and found[1]
end
local function get(path) return string.sub(redis.call('JSON.GET', key, path), 2, -2) end
local function box_of(part) return string.match(part, '^%["[^"]*"%]') end
local function id_of(part) return string.match(part, '%[%?%(@(%["[^"]*"%])==$') end
local function kind_of(part) return id_of(part) and 'array' or 'object' end
local function path_of(parent, part, name)
  if part == '' then return '$' end
  if id_of(part) then return parent .. part .. name .. ')]' end
  return parent .. part .. '["' .. name .. '"]'
end
local function field_of(parent, part, name) return parent .. '\0' .. part .. '\0' .. name end
-- Of two ids as JSON: integers by value, before texts, and these by their bytes.
local function is_before(a, b)
  local text = string.byte(a) == 34
  if (string.byte(b) == 34) ~= text then return not text end
  if text then
    for i = 2, math.min(#a, #b) - 1 do
      local x, y = string.byte(a, i), string.byte(b, i)
      if x ~= y then return x < y end
    end
    return #a < #b
  end
  local minus = string.byte(a) == 45
  if (string.byte(b) == 45) ~= minus then return minus end
  if minus then a, b = b, a end
  if #a ~= #b then return #a < #b end
  return a < b
end
-- What tells the rows in an array apart, as JSON, in their order.
local listed = {}
local function ids_in(box, id)
  if listed[box] then return listed[box] end
  local ids, text, at = {}, redis.call('JSON.GET', key, box .. '[*]' .. id), 2
  while true do
    local one = string.match(text, '^"[^"]*"', at) or string.match(text, '^[^,%]]+', at)
    if not one then break end
    ids[#ids + 1] = one
    at = at + #one + 1
  end
  local size = redis.call('JSON.ARRLEN', key, box)[1]
  if #ids ~= size then
    for i = 1, size do ids[i] = get(box .. '[' .. (i - 1) .. ']' .. id) end
  end
  listed[box] = ids
  return ids
end
local function index_in(box, id, name)
  for i, one in ipairs(ids_in(box, id)) do
    if one == name then return i - 1 end
  end
end
-- Names and places of the rows in an object or array.
local function rows_in(box, part)
  local out, id = {}, id_of(part)
  if kind(box) ~= kind_of(part) then return out end
  if id then
    for i, one in ipairs(ids_in(box, id)) do out[i] = {one, box .. '[' .. (i - 1) .. ']'} end
    return out
  end
  for _, one in ipairs(redis.call('JSON.OBJKEYS', key, box)[1]) do
    if not string.find(one, '["\\]') then out[#out + 1] = {one, box .. '["' .. one .. '"]'} end
  end
  return out
end
-- The place of a path that ends with a row, and what is there; nothing when it is not.
local function place_of(path)
  local out, at = '$', 2
  while at <= #path do
    local box = string.match(path, '^%["[^"]*"%]', at)
    out, at = out .. box, at + #box
    local id, name = string.match(path, '^%[%?%(@(%["[^"]*"%])==("[^"]*")%)%]', at)
    if not id then id, name = string.match(path, '^%[%?%(@(%["[^"]*"%])==([^")]*)%)%]', at) end
    if id then
      local index = kind(out) == 'array' and index_in(out, id, name)
      if not index then return end
      out, at = out .. '[' .. index .. ']', at + #id + #name + 8
    end
  end
  local found = kind(out)
  if found then return out, found end
end
-- The fields in portions, as a script can hand over so many.
local function in_portions(command, fields)
  for i = 1, #fields, 1000 do redis.call(command, waiting, unpack(fields, i, math.min(i + 999, #fields))) end
end
local function evict(node, path, tree, out)
  for part, below in pairs(tree) do
    local box = node .. box_of(part)
    for _, one in ipairs(rows_in(box, part)) do
      evict(one[2], path_of(path, part, one[1]), below, out)
      out[#out + 1] = field_of(path, part, one[1])
      out[#out + 1] = get(one[2])
    end
    if kind(box) then redis.call('JSON.DEL', key, box) end
  end
end
local function clear(node, path, parts, level, out)
  local part = parts[level]
  local box = node .. box_of(part)
  for _, one in ipairs(rows_in(box, part)) do
    local below = path_of(path, part, one[1])
    if level < #parts then clear(one[2], below, parts, level + 1, out) else evict(one[2], below, tree, out) end
  end
  if level == #parts and kind(box) then redis.call('JSON.DEL', key, box) end
end
if what == 'clear' then
  local out, gone = {}, {}
  for _, field in ipairs(redis.call('HKEYS', waiting)) do
    if string.match(field, part) then gone[#gone + 1] = field end
  end
  if kind('$') then clear('$', '$', cjson.decode(parent), 1, out) end
  in_portions('HDEL', gone)
  in_portions('HSET', out)
  return 1
end
local path = path_of(parent, part, name)
local node = place_of(path)
if what == 'remove' then
  if part ~= '' then redis.call('HDEL', waiting, field_of(parent, part, name)) end
  if not node then return 1 end
  local out = {}
  evict(node, path, tree, out)
  redis.call('JSON.DEL', key, node)
  in_portions('HSET', out)
  return 1
end
local kept = {}
for i = 7, #ARGV do
  if not node or not kind(node .. ARGV[i]) then return redis.error_reply('MILLRACE_ABSENT') end
  kept[#kept + 1] = {ARGV[i], get(node .. ARGV[i])}
end
local home, home_kind
if part ~= '' then
  home, home_kind = place_of(parent)
  local _, brackets = string.gsub(row, '[%[{]', '')
  if home_kind ~= 'object' or brackets > 64 then
    local _, levels = string.gsub(parent, '%["', '')
    local whole = string.rep('[', 2 * levels + 2) .. row .. string.rep(']', 2 * levels + 2)
    local found = redis.pcall('JSON.SET', key, '$', whole, kind('$') and 'NX' or 'XX')
    if type(found) == 'table' and found.err then return found end
  end
  if home_kind ~= 'object' then
    redis.call('HSET', waiting, field_of(parent, part, name), row)
    return 1
  end
end
-- Those that wait, by the path of their parent and the part of it.
local waits
local function waiting_in(path, part)
  if not waits then
    waits = {}
    local all = redis.call('HGETALL', waiting)
    for i = 1, #all, 2 do
      local above, box, name = string.match(all[i], '^([^%z]*)%z([^%z]*)%z(.*)$')
      waits[above] = waits[above] or {}
      waits[above][box] = waits[above][box] or {}
      table.insert(waits[above][box], {name, all[i + 1]})
    end
  end
  return waits[path] and waits[path][part]
end
-- `text`, a row, with what lies in it at `node` (nothing: it is new) and what waits for it.
local settled = {}
local filled
local function box_with(rows, path, part, below, box)
  local id, there, out = id_of(part), {}, {}
  for _, one in ipairs(box and rows_in(box, part) or {}) do there[one[1]] = one[2] end
  for _, one in ipairs(rows) do
    settled[#settled + 1] = field_of(path, part, one[1])
    out[#out + 1] = {one[1], filled(one[2], path_of(path, part, one[1]), below, there[one[1]])}
    there[one[1]] = nil
  end
  for name, at in pairs(there) do out[#out + 1] = {name, get(at)} end
  if id then table.sort(out, function(a, b) return is_before(a[1], b[1]) end) end
  for i, one in ipairs(out) do out[i] = id and one[2] or cjson.encode(one[1]) .. ':' .. one[2] end
  local text = table.concat(out, ',')
  return id and '[' .. text .. ']' or '{' .. text .. '}'
end
filled = function(text, path, tree, node)
  local out = {string.sub(text, 2, -2)}
  if out[1] == '' then out = {} end
  for part, below in pairs(tree) do
    local box = box_of(part)
    local rows, there = waiting_in(path, part), node and kind(node .. box)
    local inner = rows and box_with(rows, path, part, below, there and node .. box) or there and get(node .. box)
    if inner then out[#out + 1] = string.sub(box, 2, -2) .. ':' .. inner end
  end
  return '{' .. table.concat(out, ',') .. '}'
end
if next(tree) then row = filled(row, path, tree, node) end
if part ~= '' then
  local box, id = home .. box_of(part), id_of(part)
  if kind(box) ~= kind_of(part) then redis.call('JSON.SET', key, box, id and '[]' or '{}') end
  if id and not node then
    local ids = ids_in(box, id)
    local index, last = 0, #ids
    while index < last do
      local middle = math.floor((index + last) / 2)
      if is_before(name, ids[middle + 1]) then last = middle else index = middle + 1 end
    end
    redis.call('JSON.ARRINSERT', key, box, index, row)
  else
    redis.call('JSON.SET', key, node or box .. '["' .. name .. '"]', row)
  end
  redis.call('HDEL', waiting, field_of(parent, part, name))
else
  redis.call('JSON.SET', key, '$', row)
end
for _, one in ipairs(kept) do redis.call('JSON.SET', key, node .. one[1], one[2]) end
in_portions('HDEL', settled)
return 1)lua";

}  // namespace millrace::redis
