-- Ends a worker. What it still holds others may take over at once.
-- KEYS[1] leases of workers
-- ARGV[1] base of every key
-- ARGV[2] worker
-- Answer: 1

local base = ARGV[1]
redis.call('ZREM', KEYS[1], ARGV[2])
local time = redis.call('TIME')
redis.call('ZADD', base .. 'dead-workers', time[1] * 1000 + math.floor(time[2] / 1000), ARGV[2])
if redis.call('GET', base .. 'reaper') == ARGV[2] then redis.call('DEL', base .. 'reaper') end
return 1
