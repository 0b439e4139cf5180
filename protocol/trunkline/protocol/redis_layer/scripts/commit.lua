-- The ack decides: acknowledges handled entries and applies the effects of those whose acknowledgement counted.
-- An entry that was taken over and committed by somebody else is acknowledged in vain, and its effects are skipped.
-- KEYS[1..n] streams of the entries
-- ARGV[1..5] see effects.lua
-- ARGV[6] consumer group
-- ARGV[7..6+n] how many entries of each stream
-- then all ids, stream by stream; then for each entry in the same order the number of its effects, and they; or, for n > 1
--   entries that follow each other and each append one chunk to a mailbox (most do nothing else): -n, the number of these
--   mailboxes, and for each its interface, the chunks one behind the other, and their places (see post_all)
-- Answer: how many acknowledgements counted, then a line for each effect that could not be applied, and '!full' if dead
--   letters were kept and older ones make room for them
-- https://redis.io/docs/latest/commands/xack/

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

-- Appends the chunks of entries behind `entry` to their mailboxes: in one piece, or those that were won one by one. The
-- places are for each chunk which of the entries it is of, and its length.
local function post_all(at, entry)
  for _ = 1, tonumber(ARGV[at]) do
    local interface, chunks, places = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    if next(won) == nil then
      post(interface, chunks)
    else
      local from = 1
      for place, length in string.gmatch(places, '(%d+) (%d+)') do
        if won[entry + place] ~= false then post(interface, string.sub(chunks, from, from + length - 1)) end
        from = from + length
      end
    end
    at = at + 3
  end
  return at + 1
end

local entry = 1
while entry <= total do
  local effects = tonumber(ARGV[at])
  if effects < 0 then
    at = post_all(at + 1, entry - 1)
    entry = entry - effects
  else
    if won[entry] == false then
      at = skip(at + 1, effects)
    else
      at = apply(at + 1, effects, ARGV[first_id + entry - 1])
    end
    entry = entry + 1
  end
end
return {counted, unpack(finish())}
