-- Prelude of arrive.lua and register.lua: who comes to a Redis first notes where its mailboxes stand.
-- A Redis that was promoted, or started again, may have forgotten the last entries of a mailbox, and if its clock is behind
-- it gives ids that an interface server has read past. What stood there when it took over tells what is new. Whoever
-- writes to mailboxes, or reads one, must have arrived on that connection before.
-- KEYS  as the script that includes it; every other key is made from the base, so all lie in the base's slot
-- ARGV[1] base of every key, "<prefix>:{<shard>}:"

-- Answers what this Redis calls itself since it took over; its id changes with every promotion and every start.
local function arrive(base)
  local stood = base .. 'stood'
  local run = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or '-'
  if redis.call('HGET', stood, '!') == run then return run end
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
