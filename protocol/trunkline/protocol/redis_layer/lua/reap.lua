-- One step of burying interface servers that were declared dead: bounded work, any worker may do the next.
-- KEYS[1] interfaces being reaped
-- ARGV[1] base of every key
-- ARGV[2] consumer group
-- ARGV[3] connections or groups to handle at most
-- ARGV[4] channel of disconnects
-- ARGV[5] entries to look at, at most
-- ARGV[6] bytes of entries to look at, about
-- Answer: {disconnects published, 1 if a further step could do more at once else 0}
--
-- Order of the steps, each of which leaves a state the next call goes on from:
--   1. wait until no entry of this interface at or below the barrier (the streams' last ids at death) is unread or
--      pending, so that a connect which commits late has written its registry entry; entries of others do not count
--   2. publish a disconnect for each connection still in the registry, and take it out, in one script: exactly once
--   3. take the interface out of its groups
--   4. forget it

local base, group, budget = ARGV[1], ARGV[2], tonumber(ARGV[3])
local looks, bytes = tonumber(ARGV[5]), tonumber(ARGV[6])
local HEAD = 8 -- bytes before the reply channel, which comes first in an entry; what stands behind it a client may have written
local CHUNK = 20 -- entries fetched at a time: one may hold two megabytes

local function not_after(a, b)
  local a_ms, a_n = string.match(a, '(%d+)-(%d+)')
  local b_ms, b_n = string.match(b, '(%d+)-(%d+)')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  return tonumber(a_n) <= tonumber(b_n)
end

local function last_delivered(stream)
  for _, fields in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local name, id
    for f = 1, #fields, 2 do
      if fields[f] == 'name' then name = fields[f + 1] end
      if fields[f] == 'last-delivered-id' then id = fields[f + 1] end
    end
    if name == group then return id end
  end
  return '0-0'
end

-- Committed entries are deleted, so what stands is pending or unread; unless somebody acknowledged it by hand: then nothing
-- is coming.
local function is_coming(stream, id)
  if not not_after(id, last_delivered(stream)) then return true end
  return #redis.call('XPENDING', stream, group, id, id, 1) > 0
end

-- Looks for an entry of the interface that is still coming, from where the last step stopped: what stands behind the cursor
-- and is not of this interface never will be. Returns 'none', 'some', or 'budget' if there is more to look at.
local function search(barrier, channel, last, mark)
  local stream = base .. 'stream:' .. channel
  local from = redis.call('HGET', barrier, channel .. '!from') or '-'
  while looks > 0 and bytes > 0 do
    local found = redis.pcall('XRANGE', stream, from, last, 'COUNT', math.min(CHUNK, looks))
    if found.err or #found == 0 then return 'none' end
    for _, entry in ipairs(found) do
      looks = looks - 1
      for f = 2, #entry[2], 2 do bytes = bytes - #entry[2][f] end
      local body = entry[2][2]
      if string.find(string.sub(body, 1, HEAD + #mark), mark, 1, true) and is_coming(stream, entry[1]) then
        redis.call('HSET', barrier, channel .. '!from', entry[1])
        return 'some'
      end
      from = '(' .. entry[1]
    end
    redis.call('HSET', barrier, channel .. '!from', from)
  end
  return 'budget'
end

-- 'none' when nothing of the interface is coming any more, else as `search`.
local function behind_barrier(interface)
  local barrier = base .. 'barrier:' .. interface
  local fields = redis.call('HGETALL', barrier)
  for i = 1, #fields, 2 do
    local channel = fields[i]
    if not string.find(channel, '!', 1, true) then
      local result = search(barrier, channel, fields[i + 1], 'reply.' .. interface .. '!')
      if result ~= 'none' then return result end
      redis.call('HDEL', barrier, channel, channel .. '!from')
    end
  end
  return 'none'
end

-- A connection outlives the workers of its track by days: nobody reads the streams of one that is forgotten.
local function present(track)
  return track and redis.call('HEXISTS', base .. 'tracks', string.sub(track, 2) .. '!until') == 1 and track or ''
end

local function publish_disconnects(interface)
  local registry = base .. 'connections:' .. interface
  -- Not HSCAN from the start: it would look at the places of those already taken out, and find none after a few thousand.
  local found = redis.call('HRANDFIELD', registry, budget, 'WITHVALUES')
  local count = 0
  for i = 1, #found, 2 do
    local track, body = string.match(found[i + 1], '^(@%S+) (.*)$') -- on the main track the entry is all there is
    redis.call('XADD', base .. 'stream:' .. ARGV[4] .. present(track), '*', 'b', body or found[i + 1])
    redis.call('HDEL', registry, found[i])
    count = count + 1
  end
  return count
end

local function leave_groups(interface)
  local names = redis.call('SPOP', base .. 'groups:' .. interface, budget)
  for _, name in ipairs(names) do redis.call('HDEL', base .. 'group:' .. name, interface) end
  return #names
end

local published, more = 0, 0
for _, interface in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local result = behind_barrier(interface)
  if result == 'budget' then
    more = 1
  elseif result == 'none' then
    local count = publish_disconnects(interface)
    published = published + count
    if redis.call('EXISTS', base .. 'connections:' .. interface) == 1 or leave_groups(interface) > 0 then
      more = 1
    else
      redis.call('DEL', base .. 'barrier:' .. interface)
      redis.call('HDEL', base .. 'info', interface)
      redis.call('ZREM', KEYS[1], interface)
    end
  end
end
return {published, more}
