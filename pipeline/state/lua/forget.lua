-- Removes all that is kept of a recording's or a job's progress, but for where its sequence is: whoever follows it, and
-- comes across it again, takes an earlier number for one that was seen. Returns 1 if there was anything, else 0.
--
-- KEYS  1 state hash   2 stream of events   3 hash of earlier runs
-- ARGV  1 for how many ms the sequence is kept
local sequence = redis.call('HGET', KEYS[1], 'sequence')
local known = redis.call('HEXISTS', KEYS[1], 'last')
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
if sequence then
    redis.call('HSET', KEYS[1], 'sequence', sequence)
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return known
