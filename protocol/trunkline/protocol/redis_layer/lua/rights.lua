-- Tells which commands of the others' scripts this user may not run, by running each of them on a key of its own, which
--   is gone again at the end.
-- KEYS[1] scratch key
-- ARGV[1] consumer group
-- Answer: the commands that were refused for want of permission

local key, group, lacking = KEYS[1], ARGV[1], {}
local function note(name, answer)
  local text = type(answer) == 'table' and answer.err or ''
  if string.find(text, "can't run this command", 1, true) or string.find(text, 'permissions to run', 1, true) then
    lacking[#lacking + 1] = name
  end
end

note('DEL', redis.pcall('DEL', key))
note('SET', redis.pcall('SET', key, '1', 'PX', 10000))
note('GET', redis.pcall('GET', key))
note('MGET', redis.pcall('MGET', key))
note('MSET', redis.pcall('MSET', key, '1'))
note('EXISTS', redis.pcall('EXISTS', key))
note('INCR', redis.pcall('INCR', key))
note('PERSIST', redis.pcall('PERSIST', key))
redis.pcall('DEL', key)
note('HSET', redis.pcall('HSET', key, 'field', '1'))
note('HGET', redis.pcall('HGET', key, 'field'))
note('HMGET', redis.pcall('HMGET', key, 'field'))
note('HGETALL', redis.pcall('HGETALL', key))
note('HKEYS', redis.pcall('HKEYS', key))
note('HEXISTS', redis.pcall('HEXISTS', key, 'field'))
note('HINCRBY', redis.pcall('HINCRBY', key, 'field', 1))
note('HRANDFIELD', redis.pcall('HRANDFIELD', key))
note('HDEL', redis.pcall('HDEL', key, 'field'))
redis.pcall('DEL', key)
note('SADD', redis.pcall('SADD', key, 'member', 'other'))
note('SCARD', redis.pcall('SCARD', key))
note('SISMEMBER', redis.pcall('SISMEMBER', key, 'member'))
note('SMEMBERS', redis.pcall('SMEMBERS', key))
note('SREM', redis.pcall('SREM', key, 'member'))
note('SPOP', redis.pcall('SPOP', key))
redis.pcall('DEL', key)
note('ZADD', redis.pcall('ZADD', key, 1, 'member'))
note('ZCARD', redis.pcall('ZCARD', key))
note('ZSCORE', redis.pcall('ZSCORE', key, 'member'))
note('ZRANGE', redis.pcall('ZRANGE', key, 0, -1))
note('ZRANGEBYSCORE', redis.pcall('ZRANGEBYSCORE', key, 0, 1))
note('ZREM', redis.pcall('ZREM', key, 'member'))
redis.pcall('DEL', key)
note('XGROUP CREATE', redis.pcall('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM'))
note('XADD', redis.pcall('XADD', key, '1-1', 'b', ''))
note('XLEN', redis.pcall('XLEN', key))
note('XRANGE', redis.pcall('XRANGE', key, '-', '+'))
note('XREVRANGE', redis.pcall('XREVRANGE', key, '+', '-'))
note('XREAD', redis.pcall('XREAD', 'STREAMS', key, '0'))
note('XREADGROUP', redis.pcall('XREADGROUP', 'GROUP', group, 'doctor', 'STREAMS', key, '>'))
note('XPENDING', redis.pcall('XPENDING', key, group))
note('XCLAIM', redis.pcall('XCLAIM', key, group, 'doctor', 0, '1-1', 'JUSTID'))
note('XACK', redis.pcall('XACK', key, group, '1-1'))
note('XINFO GROUPS', redis.pcall('XINFO', 'GROUPS', key))
note('XINFO CONSUMERS', redis.pcall('XINFO', 'CONSUMERS', key, group))
note('XINFO STREAM', redis.pcall('XINFO', 'STREAM', key))
note('XGROUP DELCONSUMER', redis.pcall('XGROUP', 'DELCONSUMER', key, group, 'doctor'))
note('XDEL', redis.pcall('XDEL', key, '1-1'))
note('XTRIM', redis.pcall('XTRIM', key, 'MAXLEN', '0'))
redis.pcall('DEL', key)
note('TIME', redis.pcall('TIME'))
note('INFO', redis.pcall('INFO', 'server'))
return lacking
