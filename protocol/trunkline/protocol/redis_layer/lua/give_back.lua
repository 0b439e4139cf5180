-- Hands entries back to whoever is idle, at once or when they have rested.
-- KEYS[1] stream
-- ARGV[1] base of every key
-- ARGV[2] consumer group
-- ARGV[3] channel
-- ARGV[4] consumer that hands them back
-- ARGV[5] added to their counts of deliveries: 0 if they were not begun, 1 if their worker failed to take them
-- ARGV[6] milliseconds they rest before anybody gets them, by Redis' clock
-- then ids
-- Answer: how many
--
-- What rests stays pending, with a consumer named `resting`, so that neither its connection nor the burial of its
-- interface server goes on without it; tick.lua hands it on when its time has come.
-- https://redis.io/docs/latest/commands/xclaim/

local count, rest_ms = 0, tonumber(ARGV[6])
local to, due = 'returned', 0
if rest_ms > 0 then
  local time = redis.call('TIME')
  to, due = 'resting', time[1] * 1000 + math.floor(time[2] / 1000) + rest_ms
end
for i = 7, #ARGV do
  local held = redis.call('XPENDING', KEYS[1], ARGV[2], ARGV[i], ARGV[i], 1, ARGV[4])[1]
  if held then
    redis.call('XCLAIM', KEYS[1], ARGV[2], to, 0, ARGV[i], 'RETRYCOUNT', held[4] + ARGV[5], 'JUSTID')
    if rest_ms > 0 then redis.call('ZADD', ARGV[1] .. 'resting', due, ARGV[3] .. ' ' .. ARGV[i]) end
    count = count + 1
  end
end
if count > 0 and rest_ms == 0 then redis.call('SADD', ARGV[1] .. 'returned', ARGV[3]) end
return count
