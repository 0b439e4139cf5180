-- Writes again what an interface server holds, after data was lost.
-- KEYS[1] registry of the interface
-- ARGV[1] base of every key
-- ARGV[2] interface
-- ARGV[3] number of the batch behind which it will go on, if this is the last call of a restoration, else ''
-- ARGV[4] number of connections, then connection and disconnect entry of each; then group and token of each group
-- Answer: 1, or 0 if the interface is not registered

local base, interface = ARGV[1], ARGV[2]
if redis.call('HEXISTS', base .. 'published', interface) == 0 then return 0 end

-- A token is a stream id. An add that is still on its way to the interface has a newer one, which must stay.
local function newer(a, b)
  local a_ms, a_n = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_n = string.match(b, '^(%d+)-(%d+)$')
  if not a_ms or not b_ms then return a_ms ~= nil end
  if a_ms ~= b_ms then return tonumber(a_ms) > tonumber(b_ms) end
  return tonumber(a_n) > tonumber(b_n)
end

local at = 5
for _ = 1, tonumber(ARGV[4]) do
  redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  at = at + 2
end
for i = at, #ARGV, 2 do
  local group, token = base .. 'group:' .. ARGV[i], ARGV[i + 1]
  local standing = redis.call('HGET', group, interface)
  if not standing or newer(token, standing) then redis.call('HSET', group, interface, token) end
  redis.call('SADD', base .. 'groups:' .. interface, ARGV[i])
end
if ARGV[3] ~= '' then redis.call('HSET', base .. 'published', interface, ARGV[3]) end
return 1
