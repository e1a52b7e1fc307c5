-- KEYS: the list of the sessions, if there is one. ARGV: what sessions' keys begin with, the channel, what is told there,
-- the hash of a single session.
local hashes = { ARGV[4] }
if KEYS[1] ~= '' then
  hashes = redis.call('ZRANGE', KEYS[1], 0, -1)
  redis.call('DEL', KEYS[1])
end
local ended = 0
for _, hash in ipairs(hashes) do
  ended = ended + redis.call('DEL', ARGV[1] .. hash)
end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return ended
