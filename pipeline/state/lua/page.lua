-- One page of documents, the most recently written first: {number of all, id, JSON, id, JSON, ...}.
--
-- KEYS  1 order of writing
-- ARGV  1 prefix of the documents' keys   2 offset   3 limit
local found = {redis.call('ZCARD', KEYS[1])}
local first = tonumber(ARGV[2])
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[1], first, first + tonumber(ARGV[3]) - 1)) do
    found[#found + 1] = id
    found[#found + 1] = redis.call('HGET', ARGV[1] .. id, 'json') or ''
end
return found
