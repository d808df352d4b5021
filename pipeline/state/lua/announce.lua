-- Notes a member's count and returns the sum over all members heard from within the time each gave.
--
-- KEYS  1 members: member to "<ms until which it counts> <count>"
-- ARGV  1 member   2 count   3 ttl in ms
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', now + tonumber(ARGV[3]), ARGV[2]))
local sum, last, members = 0, 0, redis.call('HGETALL', KEYS[1])
for i = 1, #members, 2 do
    local till, count = string.match(members[i + 1], '^(%d+) (%d+)$')
    till = tonumber(till)
    if till > now then
        sum = sum + tonumber(count)
        last = math.max(last, till)
    else
        redis.call('HDEL', KEYS[1], members[i])
    end
end
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last))
return sum
