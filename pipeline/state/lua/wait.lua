-- Notes a message that waits, behind those of its key that do; one that is among them keeps its place.
--
-- KEYS  1 turns: key to a JSON list of [message id, ms when it is back]
-- ARGV  1 key   2 message id   3 ms until it is back   4 ms to keep the turns
local time = redis.call('TIME')
local back = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[3])
local held = redis.call('HGET', KEYS[1], ARGV[1])
local turns = held and cjson.decode(held) or {}
local known = false
for _, turn in ipairs(turns) do
    if turn[1] == ARGV[2] then
        turn[2] = back
        known = true
    end
end
if not known then
    turns[#turns + 1] = {ARGV[2], back}
end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(turns))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
