-- Prelude of commit.lua and apply.lua: applies the effects of handlers.
-- KEYS  as the script that includes it; every other key is made from the base, so all lie in the base's slot
-- ARGV[1] and ARGV[3] see mailbox.lua
-- ARGV[2] capacity of a channel's stream in entries
-- ARGV[4] capacity of the dead-letter store in entries
-- ARGV[5] life time of a session without a registered connection, milliseconds
--
-- An effect is its letter and its arguments, flat in ARGV:
--   P interface chunk            append to a mailbox
--   A group interface chunk      add the interface to a group, append the add to its mailbox
--   G group chunk                append to the mailbox of every interface of a group
--   S interface connection value write a session; an empty value deletes it
--   C channel body delay_ms      publish on a channel, now or later
--   T channel body delay_ms letter  the same for a message to be tried again; without room the dead letter is kept
--   R interface connection body  register an accepted connection with the entry of its disconnect
--   U interface connection       forget a connection and its session
--   L body                       keep a dead letter

local capacity, dead_capacity, session_ttl_ms = tonumber(ARGV[2]), ARGV[4], ARGV[5]
local ENTRY_BYTES = 4 * 1024 * 1024 -- of a mailbox entry, about; behind it another begins
local FULL = '!full' -- among the lines about failures: the store of dead letters is, so the oldest make room
local SESSIONS = 500 -- of an interface that are held back at most: `unpack` has room for a few thousand values
local boxes, order, adds, failures, sessions = {}, {}, {}, {}, {}
local kept = false
local now_ms

-- A box is what becomes one mailbox entry: its chunks, and whose and how large it is. Returns the one the chunk is in.
local function post(interface, chunk)
  local box = boxes[interface]
  if box and box.size + #chunk <= ENTRY_BYTES then
    box[#box + 1] = chunk
    box.size = box.size + #chunk
  else
    box = {HEADER, chunk, interface = interface, size = #chunk}
    boxes[interface] = box
    order[#order + 1] = box
  end
  return box
end

local function clock_ms()
  if not now_ms then
    local time = redis.call('TIME')
    now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return now_ms
end

local function add(group, interface, chunk)
  -- A mailbox lives as long as its interface may; a group must not keep one that is gone.
  if redis.call('EXISTS', base .. 'mailbox:' .. interface) == 0 then return end
  redis.call('HSET', base .. 'group:' .. group, interface, '-')
  redis.call('SADD', base .. 'groups:' .. interface, group)
  adds[#adds + 1] = {group, post(interface, chunk)}
end

local function send_group(group, chunk)
  local interfaces = redis.call('HKEYS', base .. 'group:' .. group)
  for i = 1, #interfaces do post(interfaces[i], chunk) end
end

local function register(interface, connection, body)
  -- Also for one that is being reaped: its reaper reads the registry only when every entry of it is done.
  if redis.call('ZSCORE', base .. 'leases:interface', interface) or redis.call('ZSCORE', base .. 'reaping', interface) then
    redis.call('HSET', base .. 'connections:' .. interface, connection, body)
    redis.call('PERSIST', base .. 'session:' .. connection) -- a flush may have written it before
  end
end

local function write_one_session(interface, connection, value)
  local key = base .. 'session:' .. connection
  if value == '' then
    redis.call('DEL', key)
  elseif redis.call('HEXISTS', base .. 'connections:' .. interface, connection) == 1 then
    redis.call('SET', key, value)
  else
    -- Nothing will ever end this one (an HTTP request, a connection that is gone), so time does.
    redis.call('SET', key, value, 'PX', session_ttl_ms)
  end
end

-- Keeps a dead letter; `kept` says that there was one.
local function keep(...)
  redis.call('XADD', base .. 'dead', 'MAXLEN', '~', dead_capacity, '*', ...)
  redis.call('INCR', base .. 'dead-count')
  kept = true
end

local function keep_letter(body)
  keep('b', body)
end

-- Members of one score stand in the order of their bytes, so numbers need one length to stand in the order of sending.
local function in_order(unique)
  return (string.gsub(unique, '%d+', function(digits) return string.rep('0', 16 - #digits) .. digits end))
end

local function send_channel(channel, body, delay_ms, unique, letter)
  local stream, delayed = base .. 'stream:' .. channel, base .. 'delayed'
  local now = delay_ms == '0'
  if redis.call(now and 'XLEN' or 'ZCARD', now and stream or delayed) < capacity then
    if now then
      redis.call('XADD', stream, '*', 'b', body)
    else
      redis.call('ZADD', delayed, clock_ms() + delay_ms, in_order(unique) .. ' ' .. channel .. ' ' .. body)
      redis.call('INCR', base .. 'delayed-count')
    end
  elseif letter then
    keep_letter(letter)
  else
    keep('full', channel, 'body', body)
  end
end

-- Redis undoes nothing when a script fails, and the entries are acknowledged already. So an effect that cannot be applied
-- (a key holds a value of another type) is kept as a dead letter, and the others go on.
local function keep_failed(letter, error, content, channel)
  local text = type(error) == 'table' and error.err or tostring(error)
  local line = letter .. ': ' .. text
  if #failures < 100 then failures[#failures + 1] = line end
  -- One that cannot even be kept is counted as if it had made room.
  if not pcall(keep, 'failed', line, 'body', content, 'channel', channel or '') then
    redis.pcall('INCR', base .. 'dead-count')
  end
end

local function try(letter, content, effect, ...)
  local done, error = pcall(effect, ...)
  if not done then keep_failed(letter, error, content, (letter == 'C' or letter == 'T') and ...) end
end

-- Writes what was held back of an interface's sessions: in two commands, or one by one where that cannot be.
local function write_sessions(interface, held)
  sessions[interface] = nil
  local names, pairs = held.names, held.pairs
  local known = redis.pcall('HMGET', base .. 'connections:' .. interface, unpack(names))
  local together = not known.err
  for i = 1, #known do together = together and known[i] end
  if together and not redis.pcall('MSET', unpack(pairs)).err then return end
  for i = 1, #names do try('S', pairs[2 * i], write_one_session, interface, names[i], pairs[2 * i]) end
end

local function write_held()
  for interface, held in pairs(sessions) do write_sessions(interface, held) end
end

-- Nobody sees when within this script a session is written, so it waits for others; but for one that is to be deleted.
local function write_session(interface, connection, value)
  if value == '' then
    write_held()
    return try('S', value, write_one_session, interface, connection, value)
  end
  local held = sessions[interface]
  if not held then
    held = {names = {}, pairs = {}, count = 0}
    sessions[interface] = held
  end
  local count = held.count + 1
  held.count, held.names[count] = count, connection
  held.pairs[2 * count - 1], held.pairs[2 * count] = base .. 'session:' .. connection, value
  if count == SESSIONS then write_sessions(interface, held) end
end

local function unregister(interface, connection)
  write_held()
  redis.call('DEL', base .. 'session:' .. connection)
  redis.call('HDEL', base .. 'connections:' .. interface, connection)
end

-- Applies `count` effects that begin at ARGV[at]; returns where the next begin. `unique` names their origin.
local function apply(at, count, unique)
  for n = 1, count do
    local letter = ARGV[at]
    if letter == 'P' then
      post(ARGV[at + 1], ARGV[at + 2])
      at = at + 3
    elseif letter == 'G' then
      try('G', ARGV[at + 2], send_group, ARGV[at + 1], ARGV[at + 2])
      at = at + 3
    elseif letter == 'S' then
      write_session(ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
      at = at + 4
    elseif letter == 'A' then
      try('A', ARGV[at + 3], add, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
      at = at + 4
    elseif letter == 'C' then
      try('C', ARGV[at + 2], send_channel, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], unique .. '/' .. n)
      at = at + 4
    elseif letter == 'T' then
      try('T', ARGV[at + 2], send_channel, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], unique .. '/' .. n, ARGV[at + 4])
      at = at + 5
    elseif letter == 'R' then
      try('R', ARGV[at + 3], register, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
      at = at + 4
    elseif letter == 'U' then
      try('U', ARGV[at + 2], unregister, ARGV[at + 1], ARGV[at + 2])
      at = at + 3
    elseif letter == 'L' then
      try('L', ARGV[at + 1], keep_letter, ARGV[at + 1])
      at = at + 2
    else
      error('unknown effect ' .. tostring(letter))
    end
  end
  return at
end

-- Skips `count` effects that begin at ARGV[at].
local LENGTHS = {P = 3, G = 3, S = 4, A = 4, C = 4, T = 5, R = 4, U = 3, L = 2}
local function skip(at, count)
  for _ = 1, count do at = at + LENGTHS[ARGV[at]] end
  return at
end

-- Writes what was held back: sessions, each box as a mailbox entry, the tokens of the adds. Returns what could not be
-- applied.
local function finish()
  write_held()
  for i = 1, #order do
    local box = order[i]
    local entry = table.concat(box)
    local id = append(box.interface, entry)
    if type(id) == 'table' then
      keep_failed('P', id, entry)
      id = nil
    end
    box.token = id
  end
  for i = 1, #adds do
    local group, box = adds[i][1], adds[i][2]
    if box.token then redis.call('HSET', base .. 'group:' .. group, box.interface, box.token) end
  end
  if kept then
    local letters = redis.pcall('XLEN', base .. 'dead')
    if type(letters) == 'number' and letters >= tonumber(dead_capacity) then failures[#failures + 1] = FULL end
  end
  return failures
end
