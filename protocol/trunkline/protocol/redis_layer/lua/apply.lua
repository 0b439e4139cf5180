-- Applies effects that wait for no acknowledgement of their own.
-- KEYS[1] stream of the entry within which they are applied (any key of the shard if there is none)
-- ARGV[1..5] see effects.lua
-- ARGV[6] id of the entry they belong to, or ''
-- ARGV[7] consumer group
-- ARGV[8] worker that applies them, and must still hold the entry; '' from outside
-- ARGV[9] number of the call, rising with each of this worker's; from outside something unique
-- ARGV[10] number of effects, then they
-- Answer: 1, or 0 if the entry is not held any more and nothing was applied; then a line for each effect that could not be
--   applied, and '!full' as in commit.lua

local worker, number = ARGV[8], ARGV[9]
-- First: a call that was dropped must not look applied because one behind it was, when both are sent again.
if ARGV[6] ~= '' then
  local held = redis.pcall('XPENDING', KEYS[1], ARGV[7], ARGV[6], ARGV[6], 1, worker)
  -- Without its group or its stream nobody holds it: the data was lost.
  if held.err and not string.find(held.err, 'NOGROUP', 1, true) and not string.find(held.err, 'WRONGTYPE', 1, true) then
    return held
  end
  if held.err or #held == 0 then return {0} end
end
if worker ~= '' then
  -- A call whose answer was lost is sent again; calls come in order, so the last number tells.
  if tonumber(redis.call('HGET', base .. 'applied', worker) or '0') >= tonumber(number) then return {1} end
end
if worker ~= '' then redis.call('HSET', base .. 'applied', worker, number) end
apply(11, tonumber(ARGV[10]), worker .. '.' .. number)
return {1, unpack(finish())}
