-- What Take and Settle know of counters. A counter's hash holds in field "" used, end, held, count, round, soonest, put, latest
-- and expires; and each hold under its name: amount, number of claims (-1: crowded), ends, lease, round and the claims. round is
-- the period's number: what was held in another one is an amount of 0. soonest is not after the end of any hold, put not before any was put, latest not
-- before any ends; expires is when both keys do, in milliseconds, or -1 for never. The other key orders the holds by their ends.
local name = ARGV[2]

local function period_end(day)
  local today = math.floor(now / 86400000000)
  if day == 1 then return (today + 1) * 86400000000 end
  local function before(year) -- days from 1970 to its first
    local y = year - 1
    return (year - 1970) * 365 + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400) - 477
  end
  local year = 1970 + math.floor(today / 366)
  while before(year + 1) <= today do year = year + 1 end
  local lengths, days = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }, before(year)
  lengths[2] = before(year + 1) - days - 337
  for month = 1, 12 do
    days = days + lengths[month]
    if days > today then return days * 86400000000 end
  end
end

local function load_hold(c, value)
  c.hold = nil
  if value then
    local h = {}
    h.amount, h.claims, h.ends, h.lease, h.round = unpack_numbers('<ddddd', value)
    h.known = string.sub(value, 41)
    if h.round ~= c.round then h.amount = 0 end
    c.hold = h
  end
end

-- The place of this call's claim among those that a hold knows, of 8 bytes each.
local function claimed(h)
  for at = 1, #h.known, 8 do
    if string.sub(h.known, at, at + 7) == claim then return at end
  end
end

local function save_hold(c, which, h)
  call('HSET', c.key, which, pack_numbers('<ddddd', h.amount, h.claims, h.ends, h.lease, c.round) .. h.known)
  call('ZADD', c.order, h.ends, which)
  if c.soonest == 0 or h.ends < c.soonest then c.soonest = h.ends end
  c.put = math.max(c.put, h.ends - h.lease)
  c.latest = math.max(c.latest, h.ends)
end

local function end_hold(c, which, amount)
  if c.kind <= 3 then c.used = c.used + amount end
  call('HDEL', c.key, which)
end

-- The clock went back, or a key was evicted: each hold is looked at.
local function renew(c)
  local all = call('HGETALL', c.key)
  call('DEL', c.order)
  c.held, c.count, c.soonest, c.put = 0, 0, 0, 0
  for i = 1, #all, 2 do
    if all[i] ~= '' then
      load_hold(c, all[i + 1])
      local h = c.hold
      if h.ends <= now then
        end_hold(c, all[i], h.amount)
      else
        h.ends = math.min(h.ends, now + h.lease)
        c.held, c.count = c.held + h.amount, c.count + 1
        save_hold(c, all[i], h)
      end
    end
  end
  c.expires = 0 -- the order is new and knows none
end

local function expire(c)
  if c.put > now or call('ZCARD', c.order) ~= c.count then
    renew(c)
  else
    repeat
      local due = call('ZRANGEBYSCORE', c.order, '-inf', now, 'LIMIT', 0, 256)
      for i = 1, #due do
        load_hold(c, call('HGET', c.key, due[i]))
        if c.hold then
          c.held, c.count = c.held - c.hold.amount, c.count - 1
          end_hold(c, due[i], c.hold.amount)
        end
        call('ZREM', c.order, due[i])
      end
    until #due < 256
    c.soonest = tonumber(call('ZRANGE', c.order, 0, 0, 'WITHSCORES')[2] or 0)
  end
  c.dirty = true
  load_hold(c, name ~= '' and call('HGET', c.key, name))
end

-- load reads the counter whose keys are at k and brings it to now.
local function load(k, kind, limit, from, to, day)
  local c = {
    kind = kind, limit = limit, key = KEYS[k], order = KEYS[k + 1],
    used = 0, ends = 0, held = 0, count = 0, round = 0, soonest = 0, put = 0, latest = 0, expires = 0
  }
  local head, hold
  if name == '' then
    head = call('HGET', c.key, '')
  else
    local got = call('HMGET', c.key, '', name)
    head, hold = got[1], got[2]
  end
  if head then
    c.known = true
    c.used, c.ends, c.held, c.count, c.round, c.soonest, c.put, c.latest, c.expires = unpack_numbers('<ddddddddd', head)
  end
  if kind == 2 then
    if now < from or now >= to then to = period_end(day) end
    if c.ends ~= to then
      c.dirty = c.used ~= 0 or c.held ~= 0
      c.ends, c.used, c.held, c.round = to, 0, 0, c.round + 1
    end
  end
  load_hold(c, hold)
  if c.count > 0 and (c.soonest <= now or c.put > now) then expire(c) end
  return c
end

local function room(c)
  if c.kind == 3 then return -c.used - c.held end
  return c.limit - c.used - c.held
end

-- save writes the head, and when it is to vanish by itself: a balance and storage never while they are not zero.
local function save(c)
  if c.count == 0 and c.used == 0 then
    if c.known then call('DEL', c.key, c.order) end
    return
  end
  local before, ends = c.expires, c.latest
  if c.kind == 2 then ends = math.max(ends, c.ends) end
  if c.kind ~= 2 and c.used ~= 0 or c.kind == 3 and c.held ~= 0 then
    c.expires = -1
  elseif c.expires * 1000 <= ends then
    c.expires = math.floor(ends / 1000) + 60000
  end
  call('HSET', c.key, '',
    pack_numbers('<ddddddddd', c.used, c.ends, c.held, c.count, c.round, c.soonest, c.put, c.latest, c.expires))
  if c.expires ~= before and c.expires == -1 then
    call('PERSIST', c.key)
    call('PERSIST', c.order)
  elseif c.expires ~= before or c.ordered then
    if c.expires ~= before then call('PEXPIREAT', c.key, c.expires) end
    if c.expires > 0 then call('PEXPIREAT', c.order, c.expires) end
  end
end
