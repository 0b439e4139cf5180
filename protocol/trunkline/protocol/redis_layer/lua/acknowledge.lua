-- Prelude of commit.lua: acknowledges, and deletes what it acknowledged.
-- KEYS  and ARGV[6..n] see commit.lua

local group = ARGV[6]
local streams = #KEYS
local first_id = 7 + streams
local counted, total = 0, 0
local won = {} -- index of entry to false where it was not ours any more; empty in the common case

-- Deletes the entries of a batch that was acknowledged in full by cutting the stream behind its last one; false if that
-- did not take all of them. It may be cut where nothing at or below is pending: all of that was delivered, so it is
-- acknowledged. A cut costs a tenth of XDEL, which looks for each id from the beginning of its node; but to find out
-- whether it may be cut costs more than to delete a single entry.
local function trim(stream, last, count)
  local pending = redis.call('XPENDING', stream, group)
  local ms, number = string.match(last, '^(%d+)-(%d+)$')
  if pending[1] > 0 then
    local min_ms, min_number = string.match(pending[2], '^(%d+)-(%d+)$')
    if tonumber(min_ms) < tonumber(ms) or (min_ms == ms and tonumber(min_number) <= tonumber(number)) then
      return false
    end
  end
  return redis.call('XTRIM', stream, 'MINID', ms .. '-' .. string.format('%.0f', number + 1)) >= count
end

local at = first_id
for s = 1, streams do
  local stream, count = KEYS[s], tonumber(ARGV[6 + s])
  local last = at + count - 1
  local acknowledged = redis.pcall('XACK', stream, group, unpack(ARGV, at, last))
  if type(acknowledged) == 'table' then
    -- Not ours to write now: nothing was done yet. Unless the key holds another type: then its entries are gone for good.
    if not string.find(acknowledged.err, 'WRONGTYPE', 1, true) then return acknowledged end
    acknowledged = 0
    for i = at, last do won[i - first_id + 1] = false end
  elseif acknowledged ~= count then
    -- An entry that still stands has not been committed before: whoever commits also deletes.
    local seen = {}
    for i = at, last do
      local id = ARGV[i]
      if seen[id] or #redis.call('XRANGE', stream, id, id) == 0 then won[i - first_id + 1] = false end
      seen[id] = true
    end
  end
  if acknowledged ~= count or count == 1 or not trim(stream, ARGV[last], count) then
    redis.pcall('XDEL', stream, unpack(ARGV, at, last))
  end
  counted = counted + acknowledged
  total = total + count
  at = last + 1
end

