-- What wrk runs to write: a POST after the other, each with a value of its own in
-- the header that HEADER names. KEYS_FILE has the callers' keys, in turn. With
-- AGAIN the values are those of an earlier run, at random from 1 to AGAIN.
local header, run, again = os.getenv("HEADER"), os.getenv("RUN"), tonumber(os.getenv("AGAIN") or "")
local body = '{"name":"' .. string.rep("x", 200) .. '"}'
local heads, last, tail, n = {}, 0, "", tonumber(os.getenv("FIRST") or "1") - 1

function init()
  for key in io.lines(os.getenv("KEYS_FILE")) do
    heads[#heads + 1] = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nX-Api-Key: " .. key ..
      "\r\nContent-Type: application/json\r\nContent-Length: " .. #body .. "\r\n" .. header .. ": " .. run .. "-"
  end
  tail = "\r\n\r\n" .. body
  math.randomseed(os.time())
end

function request()
  local value
  if again then
    value = math.random(again)
  else
    n = n + 1
    value = n
  end
  return heads[value % #heads + 1] .. value .. tail
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, e.status,
    e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
