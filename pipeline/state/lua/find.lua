-- Ids under a value: the owner in the unique index and the members of the other one.
--
-- KEYS  1 unique values to ids   2 index entries
-- ARGV  1 name\0value
local first = '[' .. ARGV[1] .. '\0'
local ids = redis.call('ZRANGEBYLEX', KEYS[2], first, '(' .. ARGV[1] .. '\1')
for i = 1, #ids do
    ids[i] = string.sub(ids[i], #first)
end
local owner = redis.call('HGET', KEYS[1], ARGV[1])
if owner then
    ids[#ids + 1] = owner
end
return ids
