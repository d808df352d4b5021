-- Marks messages as done, unless someone else has the lease or has finished. Returns for each 1 or 0.
--
-- KEYS  one per message
-- ARGV  for each key: owner, ms to remember it
local answers = {}
for i, key in ipairs(KEYS) do
    local owner, retention = ARGV[2 * i - 1], ARGV[2 * i]
    local held = redis.call('GET', key)
    local holder = held and (string.match(held, '^%a+:%d+:%d+:(.*)$') or string.match(held, '^done:(.*)$'))
    if not held or holder == owner then
        redis.call('SET', key, 'done:' .. owner, 'PX', retention)
        answers[i] = 1
    else
        answers[i] = 0
    end
end
return answers
