-- Prolongs leases, of work and of waiting alike. Returns for each 1 if it was held by the owner, else 0.
--
-- KEYS  one per message
-- ARGV  for each key: owner, lease in ms, ms to remember that it was lost
local answers = {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, key in ipairs(KEYS) do
    local owner, lease, kept = ARGV[3 * i - 2], tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    local held = redis.call('GET', key)
    local state, lost, holder
    if held then
        state, lost, holder = string.match(held, '^(%a+):(%d+):%d+:(.*)$')
    end
    if state and holder == owner then
        local value = string.format('%s:%d:%d:%s', state, lost, now + lease, owner)
        redis.call('SET', key, value, 'PX', math.max(lease, kept))
        answers[i] = 1
    else
        answers[i] = 0
    end
end
return answers
