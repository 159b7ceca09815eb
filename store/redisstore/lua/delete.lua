-- KEYS: record, index. ARGV: the version expected, the key, the clock of a test in milliseconds.
-- Answers 1, or 0 for a conflict, -1 for absence.
local clock = tonumber(ARGV[3])
local head = redis.call('GETRANGE', KEYS[1], 0, 29)
if head ~= '' and (#head < 30 or string.find(head, '%D')) then return -2 end
if clock and head ~= '' then
  local deadline = tonumber(string.sub(head, 17))
  if deadline ~= 0 and deadline <= clock then head = '' end
end
if head == '' then return -1 end
if string.sub(head, 1, 16) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
return 1
