-- What wrk runs to write: a POST after the other, each with a value of its own in
-- the header that HEADER names: RUN and a number. KEYS_FILE has the callers' keys,
-- in turn. With AGAIN, a list such as "a:100,b:90", the values are those that the
-- runs a and b sent, 100 and 90 of them, at random.
local header, run, again = os.getenv("HEADER"), os.getenv("RUN"), {}
local body = '{"name":"' .. string.rep("x", 200) .. '"}'
local heads, tail, n = {}, "\r\n\r\n" .. body, -1 -- wrk makes a first request only to look at it

function init()
  for key in io.lines(os.getenv("KEYS_FILE")) do
    heads[#heads + 1] = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nX-Api-Key: " .. key ..
      "\r\nContent-Type: application/json\r\nContent-Length: " .. #body .. "\r\n" .. header .. ": "
  end
  for name, count in string.gmatch(os.getenv("AGAIN") or "", "([^:,]+):(%d+)") do
    again[#again + 1] = { name .. "-", tonumber(count) }
  end
  run = run .. "-"
  math.randomseed(os.time())
end

function request()
  local name, value = run, 0
  if #again > 0 then
    local earlier = again[math.random(#again)]
    name, value = earlier[1], math.random(earlier[2])
  else
    n = n + 1
    value = n
  end
  return heads[value % #heads + 1] .. name .. value .. tail
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, e.status,
    e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
