-- Members heard from within the time each gave, that announced more than none.
--
-- KEYS  1 members: member to "<ms until which it counts> <count>"
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local found, members = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #members, 2 do
    local till, count = string.match(members[i + 1], '^(%d+) (%d+)$')
    if tonumber(till) > now and tonumber(count) > 0 then
        found[#found + 1] = members[i]
    end
end
return found
