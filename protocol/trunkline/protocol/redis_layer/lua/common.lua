-- Prelude of commit.lua: does what most commits ask for, and answers.
-- KEYS  and ARGV[1..n] see commit.lua
--
-- Most only post to one mailbox, and write sessions of one interface perhaps. Making the functions of effects.lua would
-- cost Redis as much again. Whatever is not as simple, or fails, is left to what follows, to which it makes no difference
-- that a session was written already.

if next(won) == nil then
  local effects, last = tonumber(ARGV[at]), #ARGV
  local box, writer, names, count -- places: of a mailbox and its chunk; of an interface; of connections, values behind them
  if effects == 1 and ARGV[at + 1] == 'P' and last == at + 3 then
    box, count = at + 2, 0
  elseif effects == 2 and ARGV[at + 1] == 'S' and ARGV[at + 4] ~= '' and ARGV[at + 5] == 'P' and last == at + 7 then
    box, writer, names, count = at + 6, at + 2, at + 3, 1
  elseif effects == -total and ARGV[at + 1] == '1' then
    count = ARGV[at + 5] == '1' and tonumber(ARGV[at + 7]) or 0
    -- `unpack` has room for a few thousand values; more sessions than that are written in parts below.
    if last == at + 5 and ARGV[last] == '0' or count <= 1000 and last == at + 8 + 2 * count then
      box, writer, names = at + 2, at + 6, at + 9
    end
  end
  if box and count > 0 then
    local known = redis.pcall('HMGET', base .. 'connections:' .. ARGV[writer], unpack(ARGV, names, names + count - 1))
    local sessions, all = {}, not known.err
    for i = 1, count do
      all = all and known[i]
      sessions[2 * i - 1], sessions[2 * i] = base .. 'session:' .. ARGV[names + i - 1], ARGV[names + count + i - 1]
    end
    if not all or redis.pcall('MSET', unpack(sessions)).err then box = nil end
  end
  if box and type(append(ARGV[box], HEADER .. ARGV[box + 1])) ~= 'table' then return {counted} end
end

