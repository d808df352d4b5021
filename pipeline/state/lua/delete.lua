-- Removes a document and its index entries. Returns 1 if there was such a document, else 0.
--
-- KEYS  1 document hash   2 order of writing   3 unique values to ids   4 index entries
-- ARGV  1 id   2 the JSON that it has to be, '' for any
local id = ARGV[1]
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'json') ~= ARGV[2] then
    return 0
end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    local sort, entry = string.sub(field, 1, 2), string.sub(field, 3)
    if sort == 'i:' then
        redis.call('ZREM', KEYS[4], entry .. '\0' .. id)
    elseif sort == 'u:' and redis.call('HGET', KEYS[3], entry) == id then
        redis.call('HDEL', KEYS[3], entry)
    end
end
redis.call('DEL', KEYS[1])
return redis.call('ZREM', KEYS[2], id)
