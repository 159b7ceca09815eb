-- Settle. KEYS and ARGV as for Take, with the numbers rates, counters, 1 for left and 2 for whole, once, claim; for each rate kind, units (Kept less Cost),
-- step, depth, span (a window: limit, per, per); for each counter kind, units, limit, begin and end of the caller's period, 1 for
-- days, kept.
local unpack_numbers, pack_numbers, call = struct.unpack, struct.pack, redis.call
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local numbers = ARGV[1]
local rates, counters, form, once, number, place = unpack_numbers('<ddddd', numbers)
local claim = string.sub(numbers, 33, 40)
