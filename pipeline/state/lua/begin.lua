-- Claims messages. Returns for each 'fresh', 'running', 'done' or 'crashed'.
--
-- A lease that has run out was neither finished nor given back: its owner is gone. It is kept beyond its time, so that
-- the next owner is known to be the second or third to try.
--
-- KEYS  one per message
-- ARGV  for each key: owner, lease in ms, owners that may be lost before it is called crashed, ms to remember them
local answers = {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, key in ipairs(KEYS) do
    local owner, lease, most, kept = ARGV[4 * i - 3], tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1]), ARGV[4 * i]
    local held = redis.call('GET', key)
    local lost = 0
    local answer = 'fresh'
    if held and string.sub(held, 1, 5) == 'done:' then
        answer = 'done'
    elseif held then
        local before, ends, holder = string.match(held, '^running:(%d+):(%d+):(.*)$')
        if not before then
            answer = 'running'  -- of a version that wrote it otherwise: it expires
        elseif holder == owner then
            lost = tonumber(before)
        elseif now < tonumber(ends) then
            answer = 'running'
        else
            lost = before + 1
            if lost >= most then
                answer = 'crashed'
            end
        end
    end
    if answer == 'fresh' or answer == 'crashed' then
        local value = string.format('running:%d:%d:%s', lost, now + lease, owner)
        redis.call('SET', key, value, 'PX', math.max(lease, tonumber(kept)))
    end
    answers[i] = answer
end
return answers
