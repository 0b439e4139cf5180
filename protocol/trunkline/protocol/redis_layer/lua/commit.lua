-- The ack decides: acknowledges handled entries and applies the effects of those whose acknowledgement counted.
-- An entry that was taken over and committed by somebody else is acknowledged in vain, and its effects are skipped.
-- KEYS[1..n] streams of the entries
-- ARGV[1..5] see effects.lua
-- ARGV[6] consumer group
-- ARGV[7..6+n] how many entries of each stream
-- then all ids, stream by stream; then for each entry in the same order the number of its effects, and they; or, for n > 1
--   entries that follow each other, each of which appends one chunk to a mailbox, writes a session perhaps, and does
--   nothing else (as most): -n, the number of these mailboxes, and for each its interface, the chunks one behind the
--   other, and their places (see post_all); the number of interfaces whose sessions are written, and for each its name,
--   how many they are, their places, the connections, the values (see write_all)
-- Answer: how many acknowledgements counted, then a line for each effect that could not be applied, and '!full' if dead
--   letters were kept and older ones make room for them
-- https://redis.io/docs/latest/commands/xack/

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

-- Writes the sessions of entries behind `entry`, those that were won. The places are for each which of the entries it is of.
local function write_all(at, entry)
  for _ = 1, tonumber(ARGV[at]) do
    local interface, count, places = ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
    local from = at + 4
    if next(won) == nil then
      for i = from, from + count - 1 do write_session(interface, ARGV[i], ARGV[i + count]) end
    else
      local i = from
      for place in string.gmatch(places, '%d+') do
        if won[entry + place] ~= false then write_session(interface, ARGV[i], ARGV[i + count]) end
        i = i + 1
      end
    end
    at = from + 2 * count - 1
  end
  return at + 1
end

local entry = 1
while entry <= total do
  local effects = tonumber(ARGV[at])
  if effects < 0 then
    at = write_all(post_all(at + 1, entry - 1), entry - 1)
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
