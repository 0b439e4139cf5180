-- Hands entries that were not begun to whoever is idle.
-- KEYS[1] stream
-- ARGV[1] base of every key
-- ARGV[2] consumer group
-- ARGV[3] channel
-- ARGV[4] consumer that hands them back
-- then ids
-- Answer: how many

local count = 0
for i = 5, #ARGV do
  if #redis.call('XPENDING', KEYS[1], ARGV[2], ARGV[i], ARGV[i], 1, ARGV[4]) == 1 then
    redis.call('XCLAIM', KEYS[1], ARGV[2], 'returned', 0, ARGV[i], 'JUSTID')
    count = count + 1
  end
end
if count > 0 then redis.call('SADD', ARGV[1] .. 'returned', ARGV[3]) end
return count
