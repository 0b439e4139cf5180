-- Ends a worker. What it still holds others may take over at once.
-- KEYS[1] leases of workers
-- ARGV[1] base of every key
-- ARGV[2] worker
-- ARGV[3] consumer group
-- Answer: how many channels it still holds entries of

local base, me = ARGV[1], ARGV[2]
redis.call('ZREM', KEYS[1], me)
if redis.call('GET', base .. 'reaper') == me then redis.call('DEL', base .. 'reaper') end

local left = 0
for _, channel in ipairs(redis.call('SMEMBERS', base .. 'channels')) do
  local stream = base .. 'stream:' .. channel
  local pending = redis.pcall('XPENDING', stream, ARGV[3], '-', '+', 1, me)
  if not pending.err then
    -- Deleting a consumer would lose what it still has pending, so only an empty one goes.
    if #pending > 0 then left = left + 1 else redis.call('XGROUP', 'DELCONSUMER', stream, ARGV[3], me) end
  end
end
if left > 0 then
  local time = redis.call('TIME')
  redis.call('ZADD', base .. 'dead-workers', time[1] * 1000 + math.floor(time[2] / 1000), me)
else
  redis.call('HDEL', base .. 'info', me)
  redis.call('HDEL', base .. 'applied', me)
end
return left
