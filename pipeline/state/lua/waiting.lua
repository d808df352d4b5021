-- All turns of a queue, and the time.
--
-- KEYS  1 turns: key to a JSON list of [message id, ms when it is back]
local time = redis.call('TIME')
return {time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HGETALL', KEYS[1])}
