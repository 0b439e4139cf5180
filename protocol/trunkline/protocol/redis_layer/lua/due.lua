-- Publishes delayed messages that are due: bounded work, the next call goes on.
-- KEYS[1] delayed messages
-- ARGV[1] base of every key
-- ARGV[2] capacity of a channel's stream in entries
-- ARGV[3] capacity of the dead-letter store in entries
-- ARGV[4] messages at most
-- ARGV[5] bytes of messages, about
-- Answer: 1 if more are due, else 0

local base, capacity, dead_capacity = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local count, bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local CHUNK = 20 -- messages fetched at a time: one may hold megabytes
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function keep(body, ...)
  redis.call('XADD', base .. 'dead', 'MAXLEN', '~', dead_capacity, '*', 'body', body, ...)
  redis.call('INCR', base .. 'dead-count')
end

-- A message of a track that is gone is everybody's.
local function present(channel)
  local plain, track = string.match(channel, '^(.+)@(.+)$')
  if track and redis.call('HEXISTS', base .. 'tracks', track .. '!until') == 0 then return plain end
  return channel
end

local function publish(channel, body)
  local stream = base .. 'stream:' .. channel
  if redis.call('XLEN', stream) < capacity then
    redis.call('XADD', stream, '*', 'b', body)
  else
    keep(body, 'full', string.match(channel, '^[^@]+'))
  end
end

while count > 0 and bytes > 0 do
  local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, math.min(CHUNK, count))
  if #due == 0 then return 0 end
  for _, member in ipairs(due) do
    local channel, body = string.match(member, '^%S+ (%S+) (.*)$')
    redis.call('ZREM', KEYS[1], member)
    count, bytes = count - 1, bytes - #member
    -- One that cannot be published (its stream's key holds something else) must not hold back those behind it.
    if not channel then
      keep(member, 'failed', 'delayed: not as a worker writes it')
    else
      local done, error = pcall(publish, present(channel), body)
      local text = not done and (type(error) == 'table' and error.err or tostring(error))
      if text then keep(body, 'failed', 'delayed: ' .. text, 'channel', string.match(channel, '^[^@]+')) end
    end
  end
end
return #redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)
