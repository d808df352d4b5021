-- Removes all that is kept of a recording's or a job's progress. Returns 1 if there was anything, else 0.
--
-- KEYS  1 state hash   2 stream of events   3 hash of earlier runs
return math.min(1, redis.call('DEL', KEYS[1], KEYS[2], KEYS[3]))
