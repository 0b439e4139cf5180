-- Renews the lease of an interface server and trims what it has read from its mailbox.
-- KEYS[1] epoch
-- ARGV[1] base of every key
-- ARGV[2] interface
-- ARGV[3] epoch it knows
-- ARGV[4] lease in milliseconds
-- ARGV[5] id of the last mailbox entry it has handled
-- Answer: {'epoch'}, {'fenced'}, or {'ok', number of the last batch known here, what channels began anew or nil, Redis'
--   clock in milliseconds, tracks and their shares}. For each channel that began anew: its name, the last batch of this
--   interface that came before, and the last entry of its mailbox then (serve.lua)
-- Only the owner renews, and a lease ends by the clock of Redis, never by a process's own.

local base, interface = ARGV[1], ARGV[2]
if redis.call('GET', KEYS[1]) ~= ARGV[3] then return {'epoch'} end
local published = redis.call('HGET', base .. 'published', interface)
if not published then return {'fenced'} end
-- Trimming comes first: a Redis over its maxmemory refuses a script at its first write only, if that may take memory.
redis.call('XTRIM', base .. 'mailbox:' .. interface, 'MINID', ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', base .. 'leases:interface', now + ARGV[4], interface)
return {'ok', tonumber(published), redis.call('HGET', base .. 'anew', interface), now, redis.call('HGETALL', base .. 'tracks')}
