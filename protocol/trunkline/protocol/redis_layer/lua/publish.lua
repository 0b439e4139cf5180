-- Publishes one numbered batch of an interface server. A batch whose number was seen adds nothing a second time.
-- KEYS[1] epoch
-- ARGV[1] base of every key
-- ARGV[2] interface
-- ARGV[3] epoch the interface knows
-- ARGV[4] number of the batch
-- ARGV[5] highest number whose answer the interface has read
-- ARGV[6] capacity of a stream in entries
-- ARGV[7..n] for entries that follow each other on one channel: channel, 1 if they must be taken even when the stream is full
--   else 0, how many they are, and their bodies
-- Answer: 1 (all taken), or an array:
--   {'refused', i, j, …}  the streams of these entries (from 1) are full, the rest was taken
--   {'epoch'}             the data was lost: register again
--   {'gap', n}            batches behind n were lost: register again
--   {'fenced'}            this interface was declared dead

local base, interface, number = ARGV[1], ARGV[2], tonumber(ARGV[4])
if redis.call('GET', KEYS[1]) ~= ARGV[3] then return {'epoch'} end
local last = redis.call('HGET', base .. 'published', interface)
if not last then return {'fenced'} end
last = tonumber(last)

-- The next batch, and a single entry in it for a channel of the main track, for which there is room: where messages come
-- singly, what the general case below makes in order to be ready for all others costs as much as this.
if #ARGV == 10 and number == last + 1 and not string.find(ARGV[7], '@', 1, true) then
  local stream = base .. 'stream:' .. ARGV[7]
  if ARGV[8] == '1' or redis.call('XLEN', stream) < tonumber(ARGV[6]) then
    redis.call('XADD', stream, '*', 'b', ARGV[10])
    redis.call('HSET', base .. 'published', interface, ARGV[4])
    return 1
  end
end

-- Refusals are remembered until their answer is known to be read: a batch that is sent again must get the same one.
local refusals = interface .. '!refused'
if number <= last then
  local answer = {'refused'}
  for n, i in string.gmatch(redis.call('HGET', base .. 'published', refusals) or '', '(%d+)%.(%d+)') do
    if tonumber(n) == number then answer[#answer + 1] = tonumber(i) end
  end
  return #answer == 1 and 1 or answer
end
if number > last + 1 then return {'gap', last} end

-- All of them are looked at before anything is written: a key of another type fails the script, Redis undoes nothing, and
-- what was added by then would be added again with the batch.
local capacity, room = tonumber(ARGV[6]), {}
local at = 7
while at <= #ARGV do
  local channel = ARGV[at]
  if not room[channel] then
    room[channel] = capacity - redis.call('XLEN', base .. 'stream:' .. channel)
    -- A track that Redis has forgotten (FLUSHALL), its workers gone too: nobody would read its streams. As one without
    -- workers it is the main track's, or its own again with its workers' next heartbeat.
    local sign = string.find(channel, '@', 1, true)
    local field = sign and string.sub(channel, sign + 1) .. '!until'
    if field and redis.call('HEXISTS', base .. 'tracks', field) == 0 then
      local time = redis.call('TIME')
      redis.call('HSET', base .. 'tracks', field, time[1] * 1000 + math.floor(time[2] / 1000))
    end
  end
  at = at + 3 + ARGV[at + 2]
end

local refused, entry = {'refused'}, 0
at = 7
while at <= #ARGV do
  local channel, must, count = ARGV[at], ARGV[at + 1] == '1', tonumber(ARGV[at + 2])
  local stream, left = base .. 'stream:' .. channel, room[channel]
  for i = at + 3, at + 2 + count do
    entry = entry + 1
    if left > 0 or must then
      redis.call('XADD', stream, '*', 'b', ARGV[i])
      left = left - 1
    else
      refused[#refused + 1] = entry
    end
  end
  room[channel] = left
  at = at + 3 + count
end
redis.call('HSET', base .. 'published', interface, ARGV[4])
if #refused == 1 then return 1 end

local kept = {}
for n, i in string.gmatch(redis.call('HGET', base .. 'published', refusals) or '', '(%d+)%.(%d+)') do
  if tonumber(n) > tonumber(ARGV[5]) then kept[#kept + 1] = n .. '.' .. i end
end
for i = 2, #refused do kept[#kept + 1] = number .. '.' .. refused[i] end
redis.call('HSET', base .. 'published', refusals, table.concat(kept, ' '))
return refused
