-- Answers the server's clock in microseconds of Unix time.
local time = redis.call('TIME')
return time[1] * 1000000 + time[2]
