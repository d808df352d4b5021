-- Takes a message out of the turns of its key.
--
-- KEYS  1 turns: key to a JSON list of [message id, ms when it is back]
-- ARGV  1 key   2 message id
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held then
    return 0
end
local kept = {}
for _, turn in ipairs(cjson.decode(held)) do
    if turn[1] ~= ARGV[2] then
        kept[#kept + 1] = turn
    end
end
if #kept == 0 then
    return redis.call('HDEL', KEYS[1], ARGV[1])
end
return redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(kept))
