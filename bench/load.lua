-- What wrk runs: one request over and over, or with KEYS_FILE one prepared
-- request per key in turn. At the end one line that the caller can read.
local path = os.getenv("KEYS_FILE")
if path then
  local requests, turn = {}, 0
  function init()
    for key in io.lines(path) do
      wrk.headers["X-Api-Key"] = key
      requests[#requests + 1] = wrk.format()
    end
  end
  function request()
    turn = turn % #requests + 1
    return requests[turn]
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, e.status,
    e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
