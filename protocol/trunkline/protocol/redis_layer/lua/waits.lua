-- Tells how long entries wait until a worker is given them; changes nothing.
-- KEYS[1..n] streams
-- ARGV[1] consumer group
-- Answer: for each stream the age in milliseconds of the oldest entry that nobody was given, 0 if there is none; -1 for a
--   stream that is not there, or has no such group
-- https://redis.io/docs/latest/commands/xinfo-groups/

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function wait_ms(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return string.find(groups.err, 'no such key', 1, true) and -1 or groups end
  for _, flat in ipairs(groups) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    if group.name == ARGV[1] then
      local oldest = redis.call('XRANGE', stream, '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
      return oldest and math.max(0, now_ms - string.match(oldest[1], '^%d+')) or 0
    end
  end
  return -1
end

local answer = {}
for i, stream in ipairs(KEYS) do
  answer[i] = wait_ms(stream)
  if type(answer[i]) == 'table' then return answer[i] end
end
return answer
