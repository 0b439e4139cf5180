-- Arrives on a new connection (arrival.lua).
-- KEYS[1] stood
-- ARGV[1] base of every key
-- ARGV[2] interface that asks where its mailbox stood, else ''
-- Answer: '<run> <id>', or '' if there was no mailbox

return mark(ARGV[1], arrive(ARGV[1]), ARGV[2])
