-- Claims messages. Returns for each 'fresh', 'running' or 'done'.
--
-- KEYS  one per message
-- ARGV  for each key: owner, lease in ms
local answers = {}
for i, key in ipairs(KEYS) do
    local owner, lease = ARGV[2 * i - 1], ARGV[2 * i]
    local held = redis.call('GET', key)
    if not held or held == 'running:' .. owner then
        redis.call('SET', key, 'running:' .. owner, 'PX', lease)
        answers[i] = 'fresh'
    elseif string.sub(held, 1, 5) == 'done:' then
        answers[i] = 'done'
    else
        answers[i] = 'running'
    end
end
return answers
