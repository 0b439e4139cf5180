-- Puts the message of a dead letter back into its channel and removes the letter.
-- KEYS[1] dead-letter store
-- ARGV[1] base of every key
-- ARGV[2] id of the letter
-- ARGV[3] token of this call: one that is sent again, because its answer was lost, gets the same answer
-- ARGV[4] capacity of a channel's stream in entries
-- ARGV[5] channel
-- ARGV[6] encoded entry
-- then for an event of a connection:
-- ARGV[7] interface
-- ARGV[8] connection
-- ARGV[9] session of the letter, or empty
-- ARGV[10] life time of a session without a registered connection, milliseconds
-- Answer: 'put_back'; 'gone', put back too, but the connection does not live any more; or, with nothing changed:
--   'missing'  there is no such letter
--   'busy'     another letter of the connection was put back and is not handled yet
--   'full'     the channel's stream is full

local TOKEN_MS = 600000 -- far longer than anybody sends a call again
local TURN_MS = 7 * 86400 * 1000 -- far longer than an entry waits for a worker
local base, letter, channel, body = ARGV[1], ARGV[2], ARGV[5], ARGV[6]
local interface, connection, session = ARGV[7], ARGV[8], ARGV[9]
local stream = base .. 'stream:' .. channel

local said = redis.call('GET', base .. 'redrive:' .. ARGV[3])
if said then return said end
if #redis.call('XRANGE', KEYS[1], letter, letter) == 0 then return 'missing' end

-- Entries of a connection are handled in their order because only one is under way: this is the one.
local turn = connection and base .. 'redriven:' .. connection
if turn then
  local where, entry = string.match(redis.call('GET', turn) or '', '^(%S+) (%S+)$')
  if entry then
    local found = redis.pcall('XRANGE', base .. 'stream:' .. where, entry, entry)
    if not found.err and #found > 0 then return 'busy' end
  end
end
if redis.call('XLEN', stream) >= tonumber(ARGV[4]) then return 'full' end

-- First what may fail: Redis undoes nothing, and until now nothing was done.
local id = redis.call('XADD', stream, '*', 'b', body)
redis.call('XDEL', KEYS[1], letter)
redis.call('INCR', base .. 'dead-removed')
local answer = 'put_back'
if turn then
  redis.call('SET', turn, channel .. ' ' .. id, 'PX', TURN_MS)
  if redis.call('HEXISTS', base .. 'connections:' .. interface, connection) == 0 then
    answer = 'gone'
    -- Its session went with it. The handler gets the one it had, and the next letters what that makes of it.
    if session ~= '' then redis.call('SET', base .. 'session:' .. connection, session, 'NX', 'PX', ARGV[10]) end
  end
end
redis.call('SET', base .. 'redrive:' .. ARGV[3], answer, 'PX', TOKEN_MS)
return answer
