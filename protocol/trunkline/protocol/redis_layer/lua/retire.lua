-- Ends an interface server that has drained. What is still registered becomes the reaper's.
-- KEYS[1] hash of published batches
-- ARGV[1] base of every key
-- ARGV[2] interface
-- Answer: 1

-- Without its record it is fenced, without its mailbox nothing is posted to it; an ended lease makes the reaper look
-- at once.
redis.call('HDEL', KEYS[1], ARGV[2], ARGV[2] .. '!refused')
redis.call('DEL', ARGV[1] .. 'mailbox:' .. ARGV[2])
redis.call('HDEL', ARGV[1] .. 'stood', ARGV[2])
redis.call('ZADD', ARGV[1] .. 'leases:interface', 'XX', 0, ARGV[2])
return 1
