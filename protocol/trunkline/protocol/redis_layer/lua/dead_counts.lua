-- Counts dead letters, all at one moment.
-- KEYS[1] dead-letter store
-- ARGV[1] base of every key
-- Answer: {how many are kept, how many made room for newer ones, ever}

local kept = redis.call('XLEN', KEYS[1])
local ever = tonumber(redis.call('GET', ARGV[1] .. 'dead-count') or '0')
local removed = tonumber(redis.call('GET', ARGV[1] .. 'dead-removed') or '0')
return {kept, math.max(0, ever - removed - kept)}
