-- Registers an interface server, or finds out what became of its registration.
-- KEYS[1] epoch
-- ARGV[1] base of every key
-- ARGV[2] interface
-- ARGV[3] epoch it knows, '' at its first start
-- ARGV[4] epoch to begin if there is none
-- ARGV[5] lease in milliseconds
-- ARGV[6] encoded lease info
-- ARGV[7] 1 if it was asleep for longer than its lease and does not know what became of it, else 0
-- Answer: {'fenced'}, or {'ok', epoch, number of the last batch that is known here, last id of the mailbox, where it stood
--   (arrival.lua)}

local base, interface = ARGV[1], ARGV[2]
-- First of all something that takes no memory: a Redis over its maxmemory refuses a script at its first write only, and
-- leases must be kept when it is full.
redis.call('HDEL', base .. 'suspects', interface)
redis.call('SET', KEYS[1], ARGV[4], 'NX')
local run = arrive(base)
local epoch = redis.call('GET', KEYS[1])
local published = redis.call('HGET', base .. 'published', interface)
-- With another epoch the data was lost, and it begins again; unless it did that before, never heard so, was silent and is
-- being buried now: then what it would write is taken for what it left behind. Nor if it was asleep: it may have been
-- buried before the data was lost, and its connections, whose disconnects were handled, would begin to speak again.
local buried = ARGV[7] == '1' or redis.call('ZSCORE', base .. 'reaping', interface)
if not published and (epoch == ARGV[3] or buried) then return {'fenced'} end

local mailbox = base .. 'mailbox:' .. interface
if redis.call('EXISTS', mailbox) == 0 then
  -- Makes an empty stream: effects are posted with NOMKSTREAM, so only this brings a mailbox to life.
  redis.call('HSET', base .. 'stood', interface, redis.call('XADD', mailbox, 'MAXLEN', '0', '*', 'b', ''))
end
-- What is missing stays missing here until the interface has written what it holds again (restore.lua): this answer may
-- be lost, and then the next one must say the same.
if not published then redis.call('HSET', base .. 'published', interface, 0) end
local time = redis.call('TIME')
redis.call('ZADD', base .. 'leases:interface', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[5], interface)
redis.call('HSET', base .. 'info', interface, ARGV[6])

local last_id = '0-0'
local fields = redis.call('XINFO', 'STREAM', mailbox)
for i = 1, #fields, 2 do
  if fields[i] == 'last-generated-id' then last_id = fields[i + 1] end
end
return {'ok', epoch, tonumber(published or '0'), last_id, mark(base, run, interface)}
