-- Hands entries back to whoever is idle.
-- KEYS[1] stream
-- ARGV[1] base of every key
-- ARGV[2] consumer group
-- ARGV[3] channel
-- ARGV[4] consumer that hands them back
-- ARGV[5] added to their counts of deliveries: 0 if they were not begun, 1 if their worker failed to take them
-- then ids
-- Answer: how many
-- https://redis.io/docs/latest/commands/xclaim/

local count = 0
for i = 6, #ARGV do
  local held = redis.call('XPENDING', KEYS[1], ARGV[2], ARGV[i], ARGV[i], 1, ARGV[4])[1]
  if held then
    redis.call('XCLAIM', KEYS[1], ARGV[2], 'returned', 0, ARGV[i], 'RETRYCOUNT', held[4] + ARGV[5], 'JUSTID')
    count = count + 1
  end
end
if count > 0 then redis.call('SADD', ARGV[1] .. 'returned', ARGV[3]) end
return count
