-- Take, last part: counters, appointments, refusals. It goes by the arithmetic in the documentation of package store/meter.
local admitted, timed = true, true
local R, C = {}, {}
for i = 1, rates do
  local r = { full = 0, used = 0, booked = 0, made = 0 }
  r.kind, r.cost, r.step, r.depth, r.span, place = unpack_numbers('<ddddd', numbers, place)
  local value, queue = values[i + 1], {}
  if value then
    r.full = unpack_numbers('<d', value)
    if #value >= 16 then r.used = unpack_numbers('<d', value, 9) end
    if #value > 16 then r.booked, r.made = unpack_numbers('<dd', value, 17) end
    for at = 33, #value, 24 do
      local a = {}
      a.caller, a.cost, a.at = unpack_numbers('<ddd', value, at)
      if r.made > now then
        r.dirty = true
      elseif a.at + math.min(1000000, r.span) <= now then
        r.booked, r.dirty = r.booked - a.cost * (r.kind == 0 and r.step or 1), true
      else
        queue[#queue + 1] = a
      end
    end
    if #queue == 0 then r.booked, r.made = 0, 0 end
  end
  r.queue = queue
  if r.full <= now or r.full - now > r.depth then r.full, r.used = now, 0 end
  -- wait, or -1 for never
  if r.kind == 0 then
    local need = r.cost * r.step
    r.wait = need > r.depth and -1 or math.max(need - (r.depth - (r.full - now)), 0)
  elseif r.cost > r.step then
    r.wait = -1
  else
    r.wait = r.cost > 0 and r.cost > r.step - r.used and r.full - now or 0
  end
  admitted, timed = admitted and r.wait == 0, timed and r.wait >= 0
  R[i] = r
end
for i = 1, counters do
  local kind, cost, limit, from, to, day
  kind, cost, limit, from, to, day, place = unpack_numbers('<dddddd', numbers, place)
  local c = load((rates > 0 and 2 or 1) + 2 * (i - 1), kind, limit, from, to, day)
  c.cost = cost
  c.refused = cost > 0 and cost > room(c) and not c.hold
  if c.refused then admitted, timed = false, false end
  C[i] = c
end

local function mine(r)
  for i = 1, #r.queue do
    if r.queue[i].caller == caller then return i end
  end
end

local function leave(r, i)
  table.remove(r.queue, i)
  if #r.queue == 0 then r.booked, r.made = 0, 0 end
  r.dirty = true
end

local function charge()
  for i = 1, rates do
    local r = R[i]
    if r.cost > 0 then
      r.dirty = true
      if r.kind == 0 then
        r.full = r.full + r.cost * r.step
      else
        if r.full == now then r.full = now + r.depth end
        r.used = r.used + r.cost
      end
      local m = mine(r)
      if m then
        if r.kind == 1 then r.booked = r.booked - r.queue[m].cost end
        leave(r, m)
      elseif r.kind == 1 then
        local forgotten = r.booked
        for j = 1, #r.queue do forgotten = forgotten - r.queue[j].cost end
        r.booked = r.booked - math.min(forgotten, r.cost)
      end
    end
  end
  for i = 1, counters do
    local c = C[i]
    if c.cost > 0 then
      c.dirty = true
      if name == '' then
        c.used = c.used + c.cost
      else
        local h = c.hold
        if not h then
          h = { amount = c.cost, claims = 1, known = claim, ends = 0 }
          c.held, c.count, c.ordered = c.held + c.cost, c.count + 1, c.count == 0
        elseif h.claims == 32 and not claimed(h) then
          h.claims, h.known = -1, ''
        elseif h.claims > 0 and not claimed(h) then
          h.claims, h.known = h.claims + 1, h.known .. claim
        end
        h.ends = math.max(h.ends, now + (c.kind <= 3 and keep or lease))
        h.lease = h.ends - now
        save_hold(c, name, h)
      end
    end
  end
end

-- The first instant at which a rate has room when everybody before has come.
local function first(r)
  if r.kind == 0 then return math.max(math.max(r.full, r.booked) + r.cost * r.step - r.depth, now) end
  if r.used + r.booked + r.cost <= r.step then return now end
  local far = 2251799813685248
  local later = math.min(math.floor((r.booked + r.cost - 1) / r.step), math.floor(far / r.depth)) * r.depth
  if r.full <= now then return r.full + later + r.depth end
  local last = 0
  for i = 1, #r.queue do last = math.max(last, r.queue[i].at) end
  if last < r.full + later then return r.full + later end
  return last + math.max(math.floor((now + r.depth + later - last) / (math.min(r.step, far) + 1)), 1)
end

local function appoint()
  local longest, kept, when = 0, true, 0
  for i = 1, rates do
    local r = R[i]
    if r.wait > 0 and (longest == 0 or r.wait > R[longest].wait) then longest = i end
    if kept and r.cost > 0 then
      local m = mine(r)
      local a = m and r.queue[m]
      kept = a and a.cost == r.cost and a.at > now and a.at >= now + r.wait
      if kept then when = math.max(when, a.at) end
    end
  end
  if not kept then
    local latest = now
    when = now
    for i = 1, rates do
      local r = R[i]
      if r.cost > 0 then
        local m = mine(r)
        if m then
          if r.kind == 1 or m == #r.queue then r.booked = r.booked - r.queue[m].cost * (r.kind == 0 and r.step or 1) end
          leave(r, m)
        end
        when, latest = math.max(when, first(r)), math.max(latest, now + r.span)
      end
    end
    local late = when > latest
    when = math.min(when, latest)
    for i = 1, late and 0 or rates do
      local r = R[i]
      if r.cost > 0 then
        if r.kind == 0 then
          r.booked = math.max(r.booked, r.full, when) + r.cost * r.step
        else
          r.booked = r.booked + r.cost
        end
        if #r.queue >= 32 then table.remove(r.queue, 1) end
        r.queue[#r.queue + 1] = { caller = caller, cost = r.cost, at = when }
        r.made, r.dirty = now, true
      end
    end
  end
  R[longest].told = math.max(when - now, R[longest].wait)
end

if admitted then
  charge()
elseif timed then
  appoint()
end

local out, set, last = { admitted and 1 or 0, now }, {}, 0
for i = 1, rates do
  local r = R[i]
  out[#out + 1], out[#out + 2] = r.full, r.used
  if not admitted then out[#out + 1] = r.told or r.wait end
  if r.dirty then
    local value
    if #r.queue > 0 then
      local parts = { pack_numbers('<dddd', r.full, r.used, r.booked, r.made) }
      for j = 1, #r.queue do
        local a = r.queue[j]
        parts[j + 1] = pack_numbers('<ddd', a.caller, a.cost, a.at)
        last = math.max(last, a.at + 1000000)
      end
      value = table.concat(parts)
    elseif r.kind == 0 then
      value = pack_numbers('<d', r.full)
    else
      value = pack_numbers('<dd', r.full, r.used)
    end
    set[#set + 1], set[#set + 2] = ARGV[i + 3], value
    last = math.max(last, r.full)
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
for i = 1, counters do
  local c = C[i]
  out[#out + 1], out[#out + 2] = room(c), c.ends
  if not admitted then out[#out + 1] = c.refused and 1 or 0 end
  if c.dirty then save(c) end
end
return pack_numbers('<' .. string.rep('d', #out), unpack(out))
