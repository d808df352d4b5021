-- Writes a document with its index entries; those it had before and are not given again are removed.
--
-- KEYS  1 document hash   2 order of writing   3 unique values to ids   4 index entries
-- ARGV  1 id   2 JSON   3 number of unique entries, then each as name\0value   then the index entries likewise
--
-- The document's hash has its JSON under `json`, and each entry as a field of its own, "u:name\0value" or
-- "i:name\0value", so that they can be found again. A unique value goes to the last writer; the document that
-- had it keeps its data. Index entries are members "name\0value\0id", all of score 0, so in the order of bytes.
local id, uniques = ARGV[1], tonumber(ARGV[3])
local kept = {json = true}
for i = 4, #ARGV do
    kept[(i < 4 + uniques and 'u:' or 'i:') .. ARGV[i]] = true
end

for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if not kept[field] then
        local entry = string.sub(field, 3)
        if string.sub(field, 1, 2) == 'i:' then
            redis.call('ZREM', KEYS[4], entry .. '\0' .. id)
        elseif redis.call('HGET', KEYS[3], entry) == id then
            redis.call('HDEL', KEYS[3], entry)
        end
        redis.call('HDEL', KEYS[1], field)
    end
end

redis.call('HSET', KEYS[1], 'json', ARGV[2])
for i = 4, #ARGV do
    if i < 4 + uniques then
        redis.call('HSET', KEYS[1], 'u:' .. ARGV[i], '')
        redis.call('HSET', KEYS[3], ARGV[i], id)
    else
        redis.call('HSET', KEYS[1], 'i:' .. ARGV[i], '')
        redis.call('ZADD', KEYS[4], 0, ARGV[i] .. '\0' .. id)
    end
end
local newest = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
redis.call('ZADD', KEYS[2], (tonumber(newest[2]) or 0) + 1, id)
return 1
