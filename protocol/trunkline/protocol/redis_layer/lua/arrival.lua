-- Prelude of arrive.lua and register.lua: who comes to a Redis first notes where its mailboxes stand.
-- A Redis that was promoted, or started again, may have forgotten the last entries of a mailbox, and if its clock is behind
-- it gives ids that an interface server has read past. What stood there when it took over tells what is new. Whoever
-- writes to mailboxes, or reads one, must have arrived on that connection before.
-- KEYS  as the script that includes it; every other key is made from the base, so all lie in the base's slot
-- ARGV[1] base of every key, "<prefix>:{<shard>}:"

-- Answers what this Redis is called since it took over: by its start, and by the replication id that it gave up when it was
-- promoted. Its own replication id tells nothing: it changes as well when a first replica or a backup attaches, and when the
-- backlog is freed, which clears the other one.
local function arrive(base)
  local stood = base .. 'stood'
  local replication = redis.call('INFO', 'replication')
  -- Whoever is content with a replica would post behind its promotion without having arrived.
  if not string.find(replication, 'role:master', 1, true) then error('READONLY it is a replica', 0) end
  local start = (string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '-') .. '.'
  local given_up = string.match(replication, 'master_replid2:(%w+)') or '0'
  local run, noted = start .. given_up, redis.call('HGET', stood, '!')
  local cleared = not string.find(given_up, '[^0]')
  if noted == run or (noted and cleared and string.sub(noted, 1, #start) == start) then return noted end
  redis.call('DEL', stood) -- takes no memory, so a Redis over its maxmemory lets the others pass too
  local names = redis.call('HKEYS', base .. 'published')
  for i = 1, #names do
    local fields = redis.pcall('XINFO', 'STREAM', base .. 'mailbox:' .. names[i])
    for at = 1, #fields, 2 do
      if fields[at] == 'last-generated-id' then redis.call('HSET', stood, names[i], fields[at + 1]) end
    end
  end
  redis.call('HSET', stood, '!', run)
  return run
end

-- Where a mailbox stood then: '<run> <id>', or '' if there was none.
local function mark(base, run, interface)
  local id = redis.call('HGET', base .. 'stood', interface)
  return id and run .. ' ' .. id or ''
end
