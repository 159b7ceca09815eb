-- KEYS: index, records. ARGV: the clock of a test in milliseconds or nothing, the records' keys.
-- What has no record any more leaves the index. Answers how many did.
local clock, gone = tonumber(ARGV[1]), {}
for i = 2, #KEYS do
  local head = redis.call('GETRANGE', KEYS[i], 0, 29)
  if clock and #head == 30 then
    local deadline = tonumber(string.sub(head, 17))
    if deadline and deadline ~= 0 and deadline <= clock then
      redis.call('DEL', KEYS[i])
      head = ''
    end
  end
  if head == '' then gone[#gone + 1] = ARGV[i] end
end
if #gone > 0 then redis.call('ZREM', KEYS[1], unpack(gone)) end
return #gone
