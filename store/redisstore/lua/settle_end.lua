-- Settle, last part.
if rates > 0 then
  local values = call('HMGET', KEYS[1], unpack(ARGV, 3))
  local set, last = {}, 0
  for i = 1, rates do
    local kind, units, step, depth, _
    kind, units, step, depth, _, place = unpack_numbers('<ddddd', numbers, place)
    local value, full, used, rest = values[i + 1], 0, 0, ''
    if value then
      full = unpack_numbers('<d', value)
      if #value >= 16 then used = unpack_numbers('<d', value, 9) end
      rest = string.sub(value, 17)
    end
    if full <= now or full - now > depth then full, used = now, 0 end
    local before, spent = full, used
    if kind == 0 then
      local most = math.floor(depth / step)
      full = full + math.min(math.max(units, -most), most) * step
      full = math.min(math.max(full, now), now + depth)
    elseif full > now then
      used = math.min(math.max(used + units, 0), step)
    elseif units > 0 then
      full, used = now + depth, math.min(units, step)
    end
    if full ~= before or used ~= spent then
      if kind == 0 and rest == '' then
        value = pack_numbers('<d', full)
      else
        value = pack_numbers('<dd', full, used) .. rest
      end
      set[#set + 1], set[#set + 2] = ARGV[i + 3], value
      last = math.max(last, full)
    end
  end
  if #set > 0 then
    local expires = tonumber(values[1] or 0)
    local extend = last > expires * 1000
    if extend then
      expires = math.floor(last / 1000) + 60000
      set[#set + 1], set[#set + 2] = '', expires
    end
    call('HSET', KEYS[1], unpack(set))
    if extend then call('PEXPIREAT', KEYS[1], expires) end
  end
end

local function correct(c, units)
  if units ~= 0 and c.kind ~= 5 then
    c.used = math.min(math.max(c.used + units, -18014398509481982), 18014398509481982)
    if c.kind ~= 3 then c.used = math.max(c.used, 0) end
    c.dirty = true
  end
end

for i = 1, counters do
  local kind, units, limit, from, to, day, kept
  kind, units, limit, from, to, day, kept, place = unpack_numbers('<ddddddd', numbers, place)
  local c = load((rates > 0 and 2 or 1) + 2 * (i - 1), kind, limit, from, to, day)
  local h = c.hold
  if name == '' then
    correct(c, units)
  elseif once > 0 then
    if not h then
      correct(c, units)
      c.count, c.ordered, c.dirty = c.count + 1, c.count == 0, true
      save_hold(c, name, { amount = 0, claims = 0, known = '', ends = now + once, lease = once })
    end
  elseif h and h.claims ~= 0 then
    local mine = claimed(h)
    local ends = mine or number == 0 or h.claims < 0
    if form == 1 and mine and h.claims > 1 then
      h.claims, h.known = h.claims - 1, string.sub(h.known, 1, mine - 1) .. string.sub(h.known, mine + 8)
      c.dirty = true
      save_hold(c, name, h)
    elseif mine or form == 0 and ends or form == 2 then
      c.dirty = true
      if form ~= 1 and ends and h.amount > 0 and kind ~= 5 then c.used = c.used + kept end
      c.held, c.count = c.held - h.amount, c.count - 1
      call('HDEL', c.key, name)
      call('ZREM', c.order, name)
    end
  end
  if c.dirty then save(c) end
end
return 1
