-- Makes the stream and the consumer group of a channel that a worker is to read.
-- KEYS[1] stream
-- ARGV[1] base of every key
-- ARGV[2] consumer group
-- ARGV[3] channel
-- Answer: 1 if the channel began anew (see below), else 0
-- https://redis.io/docs/latest/commands/xgroup-create/
--
-- A channel that had a group and has none was deleted by hand, perhaps with its stream, and nobody can tell which of its
-- entries are gone. So it begins anew: what registered interface servers hold until its release is taken out, and they are
-- told, by `anew`, to publish it again. Everything else that stands, of background channels, of dead interface servers,
-- set aside or put back from the dead letters, stays: nobody would bring it back.

local base, group, channel = ARGV[1], ARGV[2], ARGV[3]
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], group, '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
if redis.call('SADD', base .. 'channels', channel) == 1 or made.err then return 0 end

-- The interface server that holds an entry of this body; nil if none does. A body begins with its version, the array's
-- head, the reply channel behind a head of 2, whose second byte is its length (on all shards but the first it ends with the
-- number of the shard), the path and the number of its first event, which is below zero in what no release is due for.
-- https://github.com/msgpack/msgpack/blob/master/spec.md
local function holder(body)
  local interface = string.match(string.sub(body, 1, 25), 'reply%.(i%x+)!?')
  local at = 5 + (string.byte(body, 4) or 0)
  local head = string.byte(body, at)
  if not interface or not head then return nil end
  if head >= 0xa0 and head <= 0xbf then
    at = at + 1 + head - 0xa0
  elseif head == 0xd9 then
    at = at + 2 + string.byte(body, at + 1)
  elseif head == 0xda then
    at = at + 3 + string.byte(body, at + 1) * 256 + string.byte(body, at + 2)
  else
    return nil
  end
  local number = string.byte(body, at) or 0xff
  local below_zero = number >= 0xe0 or (number >= 0xd0 and number <= 0xd3)
  return not below_zero and interface or nil
end

local registered = {}
local published = redis.call('HGETALL', base .. 'published')
for i = 1, #published, 2 do
  if not string.find(published[i], '!', 1, true) then registered[published[i]] = published[i + 1] end
end
local from = '-'
while true do
  local found = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 20) -- one may hold two megabytes
  if #found == 0 then break end
  for _, entry in ipairs(found) do
    if registered[holder(entry[2][2]) or ''] then redis.call('XDEL', KEYS[1], entry[1]) end
    from = '(' .. entry[1]
  end
end

-- What was committed until now is in the mailboxes: an interface server has to read that first, or it would publish again
-- what was released.
for interface, number in pairs(registered) do
  local last = redis.pcall('XREVRANGE', base .. 'mailbox:' .. interface, '+', '-', 'COUNT', 1)[1]
  local last_id = last and last[1] or '0-0'
  local notices = { channel .. ' ' .. number .. ' ' .. last_id }
  for other, rest in string.gmatch(redis.call('HGET', base .. 'anew', interface) or '', '(%S+) (%S+ %S+)') do
    if other ~= channel then notices[#notices + 1] = other .. ' ' .. rest end
  end
  redis.call('HSET', base .. 'anew', interface, table.concat(notices, ' '))
end
return 1
