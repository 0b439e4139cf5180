-- One step of burying interface servers that were declared dead: bounded work, any worker may do the next.
-- KEYS[1] interfaces being reaped
-- ARGV[1] base of every key
-- ARGV[2] consumer group
-- ARGV[3] connections or groups to handle at most
-- ARGV[4] channel of disconnects
-- Answer: {disconnects published, 1 if a further step could do more at once else 0}
--
-- Order of the steps, each of which leaves a state the next call goes on from:
--   1. wait until no entry at or below the barrier (the streams' last ids at death) is unread or pending, so that a
--      connect which commits late has written its registry entry
--   2. publish a disconnect for each connection still in the registry, and take it out, in one script: exactly once
--   3. take the interface out of its groups
--   4. forget it

local base, group, budget = ARGV[1], ARGV[2], tonumber(ARGV[3])

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

local function done_up_to(stream, id)
  if redis.call('EXISTS', stream) == 0 then return true end
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if not first or not not_after(first[1], id) then return true end
  -- Committed entries are deleted, so what stands is pending or unread; both have to be waited for, unless the
  -- stream was read past an entry that nobody holds (somebody acknowledged by hand): then nothing is coming.
  local pending = redis.pcall('XPENDING', stream, group)
  if pending.err then return false end
  if pending[1] > 0 and not_after(pending[2], id) then return false end
  local unread = redis.call('XRANGE', stream, '(' .. last_delivered(stream), id, 'COUNT', 1)
  return #unread == 0
end

local function behind_barrier(interface)
  local barrier = redis.call('HGETALL', base .. 'barrier:' .. interface)
  for i = 1, #barrier, 2 do
    if not done_up_to(base .. 'stream:' .. barrier[i], barrier[i + 1]) then return false end
  end
  return true
end

local function publish_disconnects(interface)
  local registry = base .. 'connections:' .. interface
  -- Not HSCAN from the start: it would look at the places of those already taken out, and find none after a few thousand.
  local found = redis.call('HRANDFIELD', registry, budget, 'WITHVALUES')
  local count = 0
  for i = 1, #found, 2 do
    redis.call('XADD', base .. 'stream:' .. ARGV[4], '*', 'b', found[i + 1])
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
  if behind_barrier(interface) then
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
