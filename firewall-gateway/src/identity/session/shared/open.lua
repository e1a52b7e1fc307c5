-- KEYS: the session, then lists that it is in. ARGV: the session's text, its time in seconds, its hash, when it ends at
-- the latest, now. A list goes with the last of its sessions.
for number = 2, #KEYS do
  redis.call('ZREMRANGEBYSCORE', KEYS[number], '-inf', ARGV[5])
  redis.call('ZADD', KEYS[number], ARGV[4], ARGV[3])
  local last = redis.call('ZRANGE', KEYS[number], -1, -1, 'WITHSCORES')
  redis.call('EXPIREAT', KEYS[number], last[2])
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
