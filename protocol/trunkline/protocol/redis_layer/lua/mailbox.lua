-- Prelude of commit.lua and apply.lua: appends an entry to a mailbox.
-- KEYS  as the script that includes it; every other key is made from the base, so all lie in the base's slot
-- ARGV[1] base of every key, "<prefix>:{<shard>}:"
-- ARGV[3] capacity of a mailbox in entries

local base = ARGV[1]
local HEADER = '\1' -- version of a mailbox entry

-- Answers the id of the entry, false without such a mailbox, or an error's table.
local function append(interface, entry)
  local mailbox = base .. 'mailbox:' .. interface
  local id = redis.pcall('XADD', mailbox, 'NOMKSTREAM', '*', 'b', entry)
  if type(id) == 'string' and redis.call('XLEN', mailbox) > tonumber(ARGV[3]) then
    -- Its owner does not read. Taking the record away fences it; the reaper does the rest.
    redis.call('HDEL', base .. 'published', interface)
    redis.call('DEL', mailbox)
  end
  return id
end

