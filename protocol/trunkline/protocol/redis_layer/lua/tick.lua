-- Heartbeat of a worker: renews its lease; whoever holds the reaper's lock also watches the leases of all others.
-- KEYS[1] reaper's lock
-- ARGV[1] base of every key
-- ARGV[2] worker
-- ARGV[3] lease in milliseconds
-- ARGV[4] encoded lease info
-- ARGV[5] epoch to begin if there is none
-- ARGV[6] milliseconds between two heartbeats
-- ARGV[7] heartbeats in a row that a worker must be seen away after its lease ended
-- ARGV[8] the same for an interface server
-- ARGV[9] consumer group
-- ARGV[10] track that the worker serves, '' for the main one
-- then the channels on which a connection's events are published
-- Answer: {Redis' clock in milliseconds, number of workers with entries to take over, number of interfaces to reap,
--          number of channels with entries handed back, 1 if delayed messages are due else 0, tracks and their shares}
-- Entries that were handed back to rest (give_back.lua) are everybody's from their time on.
--
-- A lease that ran out makes its owner only a suspect. It is declared dead when the watcher has seen it away for
-- several heartbeats of its own in a row: a Redis that was stopped, or a watcher that was, sees no heartbeats in that
-- time and begins to count again.

local ORPHANS_MS = 5000 -- between two searches
local FORGET_MS = 600000 -- a track that had no worker for so long: main workers cease to read it, which costs at every read
local RESTED = 1000 -- handed on at one heartbeat
local base, me, tick_ms = ARGV[1], ARGV[2], tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- First of all what takes no memory: a Redis over its maxmemory refuses a script at its first write only, and leases
-- must be kept when it is full.
redis.call('ZREM', base .. 'dead-workers', me)
redis.call('SET', base .. 'epoch', ARGV[5], 'NX')
redis.call('ZADD', base .. 'leases:worker', now + ARGV[3], me)
redis.call('HSET', base .. 'info', me, ARGV[4])
if ARGV[10] ~= '' then redis.call('HSET', base .. 'tracks', ARGV[10] .. '!until', now + ARGV[3]) end

local function watch(role, needed, bury)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. 'leases:' .. role, '-inf', now)) do
    local fenced = role == 'interface' and redis.call('HEXISTS', base .. 'published', id) == 0
    if fenced or redis.call('HINCRBY', base .. 'suspects', id, 1) > needed then
      redis.call('ZREM', base .. 'leases:' .. role, id)
      redis.call('HDEL', base .. 'suspects', id)
      bury(id)
    end
  end
end

local function bury_worker(id)
  redis.call('ZADD', base .. 'dead-workers', now, id)
end

-- Where the events of connections may stand: the channels, and those of each track.
local function event_channels()
  local found = {}
  local fields = redis.call('HKEYS', base .. 'tracks')
  for i = 11, #ARGV do
    found[#found + 1] = ARGV[i]
    for _, field in ipairs(fields) do
      local track = string.match(field, '^(.+)!until$')
      if track then found[#found + 1] = ARGV[i] .. '@' .. track end
    end
  end
  return found
end

-- That it has no worker; its share stays. Whoever publishes for it after all (publish.lua, reap.lua, due.lua) looks first.
local function forget_tracks()
  local fields = redis.call('HGETALL', base .. 'tracks')
  for i = 1, #fields, 2 do
    local track = string.match(fields[i], '^(.+)!until$')
    if track and (tonumber(fields[i + 1]) or 0) < now - FORGET_MS then
      local standing = 0
      for _, channel in ipairs(redis.call('SMEMBERS', base .. 'channels')) do
        if string.sub(channel, -#track - 1) == '@' .. track then
          standing = standing + redis.call('XLEN', base .. 'stream:' .. channel)
        end
      end
      if standing == 0 then redis.call('HDEL', base .. 'tracks', fields[i]) end
    end
  end
end

-- Of tracks that are forgotten, since the last search at least: whoever read them has heard of it.
local function remove_their_streams()
  for _, channel in ipairs(redis.call('SMEMBERS', base .. 'channels')) do
    local track = string.match(channel, '@(.+)$')
    local stream = base .. 'stream:' .. channel
    if track and redis.call('HEXISTS', base .. 'tracks', track .. '!until') == 0 and redis.call('XLEN', stream) == 0 then
      redis.call('DEL', stream)
      redis.call('SREM', base .. 'channels', channel)
    end
  end
end

local function bury_interface(id)
  -- From here its publishes are refused, so nothing comes behind these ids.
  redis.call('HDEL', base .. 'published', id, id .. '!refused')
  redis.call('HDEL', base .. 'stood', id)
  redis.call('HDEL', base .. 'anew', id)
  redis.call('DEL', base .. 'mailbox:' .. id)
  local barrier = base .. 'barrier:' .. id
  for _, channel in ipairs(event_channels()) do
    local stream = base .. 'stream:' .. channel
    if redis.call('EXISTS', stream) == 1 then
      local fields = redis.call('XINFO', 'STREAM', stream)
      for f = 1, #fields, 2 do
        if fields[f] == 'last-generated-id' then redis.call('HSET', barrier, channel, fields[f + 1]) end
      end
    end
  end
  redis.call('ZADD', base .. 'reaping', now, id)
end

local function clear_suspects()
  local suspects = redis.call('HKEYS', base .. 'suspects')
  for _, id in ipairs(suspects) do
    local lease = redis.call('ZSCORE', base .. 'leases:worker', id) or redis.call('ZSCORE', base .. 'leases:interface', id)
    if not lease or tonumber(lease) > now then redis.call('HDEL', base .. 'suspects', id) end
  end
end

-- A consumer that holds entries and is neither alive nor dead: its last read was answered when it had been buried, or its
-- lease was in data that Redis lost. Nobody would ever take these over.
local function bury_orphans()
  for _, channel in ipairs(redis.call('SMEMBERS', base .. 'channels')) do
    local consumers = redis.pcall('XINFO', 'CONSUMERS', base .. 'stream:' .. channel, ARGV[9])
    for _, fields in ipairs(consumers) do
      local name, pending
      for f = 1, #fields, 2 do
        if fields[f] == 'name' then name = fields[f + 1] end
        if fields[f] == 'pending' then pending = fields[f + 1] end
      end
      local kept = name == 'returned' or (name == 'resting' and redis.call('EXISTS', base .. 'resting') == 1)
      if pending > 0 and not kept and not redis.call('ZSCORE', base .. 'leases:worker', name) then
        redis.call('ZADD', base .. 'dead-workers', 'NX', now, name)
      end
    end
  end
end

local function hand_on_rested()
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', base .. 'resting', '-inf', now, 'LIMIT', 0, RESTED)) do
    redis.call('ZREM', base .. 'resting', member)
    local channel, id = string.match(member, '^(%S+) (%S+)$')
    local stream = base .. 'stream:' .. (channel or '')
    local held = channel and redis.pcall('XPENDING', stream, ARGV[9], id, id, 1, 'resting')
    if held and not held.err and held[1] then
      redis.call('XCLAIM', stream, ARGV[9], 'returned', 0, id, 'RETRYCOUNT', held[1][4], 'JUSTID')
      redis.call('SADD', base .. 'returned', channel)
    end
  end
end

-- The clock went back: leases that were taken before would last as much longer, also those of the dead, and tracks be
-- taken for served.
local function shorten_leases()
  for _, role in ipairs({'worker', 'interface'}) do
    local leases = base .. 'leases:' .. role
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, now + ARGV[3], '+inf')) do
      redis.call('ZADD', leases, now + ARGV[3], id)
    end
  end
  local fields = redis.call('HGETALL', base .. 'tracks')
  for i = 1, #fields, 2 do
    if string.find(fields[i], '!until$') and (tonumber(fields[i + 1]) or 0) > now + ARGV[3] then
      redis.call('HSET', base .. 'tracks', fields[i], now + ARGV[3])
    end
  end
end

local due = 0
local holder = redis.call('GET', KEYS[1])
if not holder or holder == me then
  redis.call('SET', KEYS[1], me, 'PX', tick_ms * 3)
  local seen = tonumber(redis.call('GET', base .. 'watched') or '0')
  if now - seen > tick_ms * 3 then redis.call('DEL', base .. 'suspects') end
  redis.call('SET', base .. 'watched', now)
  if now < seen then shorten_leases() end
  clear_suspects()
  watch('worker', tonumber(ARGV[7]), bury_worker)
  watch('interface', tonumber(ARGV[8]), bury_interface)
  -- Seldom, for it asks every stream; and not after a gap, when the living have yet to renew their leases.
  if now - seen <= tick_ms * 3 and math.floor(now / ORPHANS_MS) ~= math.floor(seen / ORPHANS_MS) then
    bury_orphans()
    remove_their_streams()
  end
  forget_tracks()
  hand_on_rested()
  due = #redis.call('ZRANGEBYSCORE', base .. 'delayed', '-inf', now, 'LIMIT', 0, 1)
end

return {
  now,
  redis.call('ZCARD', base .. 'dead-workers'),
  redis.call('ZCARD', base .. 'reaping'),
  redis.call('SCARD', base .. 'returned'),
  due,
  redis.call('HGETALL', base .. 'tracks'),
}
