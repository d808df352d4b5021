-- The id that owns a unique value: the one there, else the one given, which then owns it.
--
-- KEYS  1 document hash   2 unique values to ids
-- ARGV  1 id   2 name\0value
local owner = redis.call('HGET', KEYS[2], ARGV[2])
if owner then
    return owner
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[1], 'u:' .. ARGV[2], '')
return ARGV[1]
