-- Registers an interface server, or finds out what became of its registration.
-- KEYS[1] epoch
-- ARGV[1] base of every key
-- ARGV[2] interface
-- ARGV[3] epoch it knows, '' at its first start
-- ARGV[4] epoch to begin if there is none
-- ARGV[5] number of its last answered batch
-- ARGV[6] lease in milliseconds
-- ARGV[7] encoded lease info
-- Answer: {'fenced'}, or {'ok', epoch, number of the last batch that is known here, last id of the mailbox}

local base, interface = ARGV[1], ARGV[2]
redis.call('SET', KEYS[1], ARGV[4], 'NX')
local epoch = redis.call('GET', KEYS[1])
local published = redis.call('HGET', base .. 'published', interface)
if not published and epoch == ARGV[3] then return {'fenced'} end

local mailbox = base .. 'mailbox:' .. interface
if redis.call('EXISTS', mailbox) == 0 then
  -- Makes an empty stream: effects are posted with NOMKSTREAM, so only this brings a mailbox to life.
  redis.call('XADD', mailbox, 'MAXLEN', '0', '*', 'b', '')
end
local known = tonumber(published or '0')
if not published or known < tonumber(ARGV[5]) then
  redis.call('HSET', base .. 'published', interface, ARGV[5])
end
local time = redis.call('TIME')
redis.call('ZADD', base .. 'leases:interface', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[6], interface)
redis.call('HSET', base .. 'info', interface, ARGV[7])

local last_id = '0-0'
local fields = redis.call('XINFO', 'STREAM', mailbox)
for i = 1, #fields, 2 do
  if fields[i] == 'last-generated-id' then last_id = fields[i + 1] end
end
return {'ok', epoch, known, last_id}
