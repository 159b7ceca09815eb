-- Take, first part. KEYS: the owner's rates (if any is asked), then for each counter its hash and the order of its holds.
-- ARGV: numbers, the hold, then "" and the rates' fields. Numbers are little-endian doubles: rates, counters, caller, lease,
-- keep, claim; for each rate kind, cost, step, depth, span (a window: kind, cost, limit, per, per); for each counter kind, cost, limit,
-- begin and end of the caller's period, 1 for days.
--
-- A rate's field holds full, for a window also used, and with appointments full, used, booked, made and caller, cost, at of each.
-- Field "" is the millisecond at which the hash expires.
--
-- This part is the short way: nothing but rates, none with appointments, and all of them have room.
local unpack_numbers, pack_numbers, call = struct.unpack, struct.pack, redis.call
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local numbers = ARGV[1]
local rates, counters, caller, lease, keep, _, place = unpack_numbers('<dddddd', numbers)
local values
if rates > 0 then values = call('HMGET', KEYS[1], unpack(ARGV, 3)) end
if counters == 0 then
  local at, out, set, n, last = place, { 1, now }, {}, 0, 0
  for i = 1, rates do
    local kind, cost, step, depth, _
    kind, cost, step, depth, _, at = unpack_numbers('<ddddd', numbers, at)
    local value, full, used = values[i + 1], now, 0
    if value then
      if #value == 8 then
        full = unpack_numbers('<d', value)
      elseif #value == 16 then
        full, used = unpack_numbers('<dd', value)
      else
        out = nil
        break
      end
      if full <= now or full - now > depth then full, used = now, 0 end
    end
    if kind == 0 then
      local need = cost * step
      if need > depth - (full - now) then
        out = nil
        break
      end
      full = full + need
      value = pack_numbers('<d', full)
    elseif cost > 0 then
      if cost > step - used then
        out = nil
        break
      end
      if full == now then full = now + depth end
      used = used + cost
      value = pack_numbers('<dd', full, used)
    end
    local o = 2 * i
    out[o + 1], out[o + 2] = full, used
    if cost > 0 then
      set[n + 1], set[n + 2] = ARGV[i + 3], value
      n = n + 2
      if full > last then last = full end
    end
  end
  if out then
    if n > 0 then
      local expires = tonumber(values[1] or 0)
      if last > expires * 1000 then
        expires = math.floor(last / 1000) + 60000
        set[n + 1], set[n + 2] = '', expires
        call('HSET', KEYS[1], unpack(set))
        call('PEXPIREAT', KEYS[1], expires)
      else
        call('HSET', KEYS[1], unpack(set))
      end
    end
    -- Limits of keys and operations that nobody uses any more would stay for as long as their owner is busy.
    if now % 64 == 0 and call('HLEN', KEYS[1]) > 32 then
      local some = call('HRANDFIELD', KEYS[1], 64, 'WITHVALUES')
      for i = 1, #some, 2 do
        if some[i] ~= '' and #some[i + 1] <= 16 and unpack_numbers('<d', some[i + 1]) <= now then call('HDEL', KEYS[1], some[i]) end
      end
    end
    return pack_numbers('<' .. string.rep('d', 2 * rates + 2), unpack(out))
  end
end
local claim = string.sub(numbers, 41, 48)
