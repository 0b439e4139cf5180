-- What a worker holds: asked after a broken connection, on which a read's answer may have been lost.
-- XREADGROUP with an id would tell too, but it counts as a delivery, and three of those make a poison entry.
-- KEYS[1..n] streams
-- ARGV[1] consumer group
-- ARGV[2] consumer
-- ARGV[3] entries at most of each stream
-- Answer: an array of {index of the stream from 1, id, deliveries}; the worker knows most of them, and asks for the others

local held = {}
for s, stream in ipairs(KEYS) do
  local pending = redis.pcall('XPENDING', stream, ARGV[1], '-', '+', ARGV[3], ARGV[2])
  if not pending.err then
    for _, entry in ipairs(pending) do
      held[#held + 1] = {s, entry[1], entry[4]}
    end
  end
end
return held
