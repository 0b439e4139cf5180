-- Removes a dead letter for good.
-- KEYS[1] dead-letter store
-- ARGV[1] base of every key
-- ARGV[2] id of the letter
-- ARGV[3] token of this call: one that is sent again, because its answer was lost, gets the same answer
-- Answer: 1, or 0 if the letter is not there

local TOKEN_MS = 600000 -- far longer than anybody sends a call again
local token = ARGV[1] .. 'redrive:' .. ARGV[3]
if redis.call('EXISTS', token) == 1 then return 1 end
if redis.call('XDEL', KEYS[1], ARGV[2]) == 0 then return 0 end
redis.call('INCR', ARGV[1] .. 'dead-removed')
redis.call('SET', token, 'dropped', 'PX', TOKEN_MS)
return 1
