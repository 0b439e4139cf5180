-- Applies effects that wait for no acknowledgement of their own.
-- KEYS[1] stream of the entry within which they are applied (any key of the shard if there is none)
-- ARGV[1..5] see effects.lua
-- ARGV[6] id of the entry they belong to, or ''
-- ARGV[7] consumer group
-- ARGV[8] consumer that must still hold the entry
-- ARGV[9] a name for where they come from, unique
-- ARGV[10] number of effects, then they
-- Answer: 1, or 0 if the entry is not held any more and nothing was applied.

if ARGV[6] ~= '' and #redis.call('XPENDING', KEYS[1], ARGV[7], ARGV[6], ARGV[6], 1, ARGV[8]) == 0 then return 0 end
apply(11, tonumber(ARGV[10]), ARGV[9])
finish()
return 1
