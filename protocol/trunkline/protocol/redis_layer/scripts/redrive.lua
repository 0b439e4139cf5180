-- Puts the message of a dead letter back into its channel and removes the letter.
-- KEYS[1] dead-letter store
-- ARGV[1] base of every key
-- ARGV[2] id of the letter
-- ARGV[3] channel
-- ARGV[4] encoded entry
-- Answer: 1, or 0 if the letter is not there

if redis.call('XDEL', KEYS[1], ARGV[2]) == 0 then return 0 end
redis.call('XADD', ARGV[1] .. 'stream:' .. ARGV[3], '*', 'b', ARGV[4])
return 1
