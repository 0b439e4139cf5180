-- Takes an interface server out of a group if no newer add is on its way to it.
-- KEYS[1] group
-- ARGV[1] base of every key
-- ARGV[2] interface
-- ARGV[3] token of the newest add the interface has seen
-- ARGV[4] name of the group
-- Answer: 1 if it was taken out, else 0

if redis.call('HGET', KEYS[1], ARGV[2]) ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('SREM', ARGV[1] .. 'groups:' .. ARGV[2], ARGV[4])
return 1
