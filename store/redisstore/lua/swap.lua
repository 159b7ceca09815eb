-- KEYS: record, index, sequence. ARGV: the version expected ("" for none), the value, the time to live in microseconds or
-- @ and the deadline in milliseconds, the key, the clock of a test in milliseconds. Answers the version, 0 for a conflict.
local clock = tonumber(ARGV[5])
local head = redis.call('GETRANGE', KEYS[1], 0, 29)
local held = string.sub(head, 1, 16)
if clock and #head == 30 then
  local deadline = tonumber(string.sub(head, 17))
  if deadline and deadline ~= 0 and deadline <= clock then held = '' end
end
if held ~= ARGV[1] then
  if head ~= '' and (#head < 30 or string.find(head, '%D')) then return -2 end
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local deadline = 0
if string.byte(ARGV[3]) == 64 then
  deadline = tonumber(string.sub(ARGV[3], 2))
  if deadline <= (clock or math.floor(now / 1000)) then return 0 end
elseif ARGV[3] ~= '0' then
  deadline = math.floor((now + tonumber(ARGV[3]) + 999) / 1000)
end
-- A version is the time in microseconds, or one more than the bucket's last where that is later.
local version = redis.call('INCR', KEYS[3])
if version < now then
  version = now
  redis.call('SET', KEYS[3], string.format('%.0f', now))
end
local record = string.format('%016.0f%014.0f', version, deadline) .. ARGV[2]
if deadline > 0 and not clock then
  -- An expiry of Redis takes effect after its millisecond, a deadline at it.
  redis.call('SET', KEYS[1], record, 'PXAT', string.format('%.0f', deadline - 1))
else
  redis.call('SET', KEYS[1], record)
end
redis.call('ZADD', KEYS[2], 0, ARGV[4])
return version
