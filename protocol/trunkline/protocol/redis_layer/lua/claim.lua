-- Takes entries over from workers that were declared dead, and those that were handed back.
-- KEYS[1] workers declared dead
-- ARGV[1] base of every key
-- ARGV[2] consumer group
-- ARGV[3] consumer that takes over
-- ARGV[4] entries at most; of a dead worker's at most one, and nothing else with it: it may be what killed the worker
-- then the channels it serves
-- Answer: an array of {channel, id, fields, deliveries, workers that died with it, with spaces between}
-- https://redis.io/docs/latest/commands/xclaim/

local base, group, me, room = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local DEATHS_MS = 600000 -- longer than three workers take to die of one entry, and not so long that a crash leaves much
local taken = {}

-- Notes who died with an entry; everybody who did, oldest first. A letter of poison names them.
local function died(channel, id, worker)
  local key = base .. 'deaths:' .. channel .. ':' .. id
  local before = redis.call('GET', key)
  local names = before and before .. ' ' .. worker or worker
  redis.call('SET', key, names, 'PX', DEATHS_MS)
  return names
end

-- Takes up to `most` entries. An entry that was handed back was never begun, so its count of deliveries stays; after a death it rises.
local function take(stream, channel, consumer, most, rise)
  local pending = redis.call('XPENDING', stream, group, '-', '+', most, consumer)
  for _, entry in ipairs(pending) do
    local id, count = entry[1], entry[4] + rise
    local claimed = redis.call('XCLAIM', stream, group, me, 0, id, 'RETRYCOUNT', count)[1]
    if claimed then
      taken[#taken + 1] = {channel, id, claimed[2], count, rise > 0 and died(channel, id, consumer) or ''}
    else
      redis.call('XACK', stream, group, id) -- the entry itself was deleted by somebody
    end
  end
  return #pending
end

local function has_group(stream)
  return redis.call('EXISTS', stream) == 1 and not redis.pcall('XPENDING', stream, group).err
end

for i = 5, #ARGV do
  local channel = ARGV[i]
  local stream = base .. 'stream:' .. channel
  if redis.call('SISMEMBER', base .. 'returned', channel) == 1 then
    if not has_group(stream) or (#taken < room and take(stream, channel, 'returned', room - #taken, 0) == 0) then
      redis.call('SREM', base .. 'returned', channel)
    end
  end
end

for _, worker in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  for i = 5, #ARGV do
    local stream = base .. 'stream:' .. ARGV[i]
    if #taken == 0 and has_group(stream) then take(stream, ARGV[i], worker, 1, 1) end
  end
  local left = 0
  for _, channel in ipairs(redis.call('SMEMBERS', base .. 'channels')) do
    local stream = base .. 'stream:' .. channel
    if has_group(stream) then
      -- Deleting a consumer would lose what it still has pending, so only an empty one goes.
      if #redis.call('XPENDING', stream, group, '-', '+', 1, worker) > 0 then
        left = 1
      else
        redis.call('XGROUP', 'DELCONSUMER', stream, group, worker)
      end
    end
  end
  if left == 0 then
    redis.call('ZREM', KEYS[1], worker)
    redis.call('HDEL', base .. 'info', worker)
    redis.call('HDEL', base .. 'applied', worker)
  end
end
return taken
