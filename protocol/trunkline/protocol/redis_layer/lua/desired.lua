-- Agrees on how many processes are wanted: the most that anybody has found right within the last while.
-- KEYS[1] hash: role and slot of time to the most that was found right in it
-- ARGV[1] slots that count
-- ARGV[2] seconds of a slot
-- then roles, each with the number found right now
-- Answer: for each role the number agreed on

local keep, slot_s = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = math.floor(redis.call('TIME')[1] / slot_s)
local answer = {}
for i = 3, #ARGV, 2 do
  local field = ARGV[i] .. ':' .. now
  local known = tonumber(redis.call('HGET', KEYS[1], field) or '0')
  if tonumber(ARGV[i + 1]) > known then redis.call('HSET', KEYS[1], field, ARGV[i + 1]) end
  answer[ARGV[i]] = tonumber(ARGV[i + 1])
end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local role, slot = string.match(all[i], '^(%a+):(%d+)$')
  if not role or now - slot >= keep or tonumber(slot) > now then
    redis.call('HDEL', KEYS[1], all[i])
  elseif answer[role] then
    answer[role] = math.max(answer[role], tonumber(all[i + 1]))
  end
end
local told = {}
for i = 3, #ARGV, 2 do told[#told + 1] = answer[ARGV[i]] end
return told
