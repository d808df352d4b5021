-- Gives leases back. Returns for each 1 if it was held by the owner, else 0.
--
-- KEYS  one per message
-- ARGV  for each key: owner
local answers = {}
for i, key in ipairs(KEYS) do
    local held = redis.call('GET', key)
    if held and string.match(held, '^%a+:%d+:%d+:(.*)$') == ARGV[i] then
        answers[i] = redis.call('DEL', key)
    else
        answers[i] = 0
    end
end
return answers
