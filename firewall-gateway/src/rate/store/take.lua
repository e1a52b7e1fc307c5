-- Takes up to so many requests of one cost from a limit, at the store's own time: whoever asks, they count together.
-- Numbers are microseconds since ORIGIN, so that a double holds them to a sixtieth of one.
local kind, units, window, extra = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local cost, wanted = tonumber(ARGV[5]), tonumber(ARGV[6])
local key = KEYS[1]
local time = redis.call('TIME')
local now = (time[1] - 1700000000) * 1000000 + time[2]
local index, each = math.floor(now / window), window / units
local granted, wait, step, again, left, reset = 0, 0, 0, 0, 0, 0

-- So many times this, of what there is; never less than none.
local function fits(room, one)
  return math.max(0, math.min(wanted, math.floor(room / one + 0.000001)))
end

local function keep_time(at)
  if granted > 0 then
    redis.call('SET', key, string.format('%.4f', at), 'PX', math.ceil((at - now) / 1000) + 1)
  end
  reset = at - now
end

if kind == 'token_bucket' then
  local room, full = extra * each, math.max(now, tonumber(redis.call('GET', key) or 0))
  granted = fits(now + room - full, cost * each)
  full = full + granted * cost * each
  again = full + cost * each - room - now
  left = (now + room - full) / each
  keep_time(full)
elseif kind == 'leaky_bucket' then
  local turn = math.max(now, tonumber(redis.call('GET', key) or 0))
  wait, step = turn - now, cost * each
  if wait <= extra then granted = math.min(wanted, math.floor((extra - wait) / step) + 1) end
  turn = turn + granted * step
  again = turn - now - extra
  left = math.max(0, math.floor((extra - (turn - now)) / each) + 1)
  keep_time(turn)
elseif kind == 'sliding_log' then
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  local used = redis.call('ZCARD', key)
  granted = fits(units - used, cost)
  if granted > 0 then
    -- Members are numbered, so that no two are one.
    local last = redis.call('ZREVRANGE', key, 0, 0)[1]
    local number = last and tonumber(last) or 0
    for entry = 1, granted * cost do
      redis.call('ZADD', key, now, string.format('%016d', (number + entry) % 1000000000000000))
    end
    redis.call('PEXPIRE', key, math.ceil(window / 1000))
  end
  used = used + granted * cost
  left = units - used
  if used + cost > units then
    local entry = redis.call('ZRANGE', key, used + cost - units - 1, used + cost - units - 1, 'WITHSCORES')
    again = entry[2] and entry[2] + window - now or window
  end
  if used > 0 then reset = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2] + window - now end
else
  local kept = redis.call('HMGET', key, 'window', 'used', 'before')
  local known, used, before = tonumber(kept[1] or -2), tonumber(kept[2] or 0), tonumber(kept[3] or 0)
  if known ~= index then
    before = known + 1 == index and used or 0
    used = 0
  end
  local rest = window - now % window
  reset = rest
  if kind == 'fixed_window' then
    before, again = 0, rest
  else
    if used > 0 then reset = rest + window end
  end
  granted = fits(units - used - before * rest / window, cost)
  used = used + granted * cost
  left = units - used - before * rest / window
  if kind == 'sliding_counter' then
    local room = units - used - cost
    if room >= 0 and before > 0 then
      again = rest - math.min(window, room * window / before)
    else
      again = rest + window - math.min(window, math.max(0, units - cost) * window / math.max(used, 1))
    end
  end
  if granted > 0 then
    redis.call('HSET', key, 'window', index, 'used', used, 'before', before)
    redis.call('PEXPIRE', key, math.ceil(2 * window / 1000))
  end
end
return { granted, math.ceil(wait), math.ceil(step), math.ceil(math.max(1, again)),
  math.floor(math.max(0, left) + 0.000001), math.ceil(math.max(0, reset)) }
