-- Claims messages. Returns for each 'fresh', 'running', 'done', 'suspect' or 'crashed'.
--
-- A lease that has run out was neither finished nor given back: its owner is gone. It is kept beyond its time, so that
-- the next owner is known to be the second or third to try. After the first loss a message is suspect for who would run
-- it beside others: it is claimed but waits, and an owner lost while it waits is not held against the message.
--
-- KEYS  one per message
-- ARGV  for each key: owner, lease in ms, owners that may be lost before it is called crashed, ms to remember them,
--       1 if it would run alone
local answers = {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, key in ipairs(KEYS) do
    local at = 5 * i - 5
    local owner, lease, most, kept = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    local alone = ARGV[at + 5] == '1'
    local held = redis.call('GET', key)
    local lost = 0
    local answer = 'fresh'
    if held and string.sub(held, 1, 5) == 'done:' then
        answer = 'done'
    elseif held then
        local state, before, ends, holder = string.match(held, '^(%a+):(%d+):(%d+):(.*)$')
        if not state then
            answer = 'running'  -- of a version that wrote it otherwise: it expires
        elseif holder ~= owner and now < tonumber(ends) then
            answer = 'running'
        else
            lost = before + (holder ~= owner and state == 'running' and 1 or 0)
            if lost >= most then
                answer = 'crashed'
            elseif lost > 0 and not alone then
                answer = 'suspect'
            end
        end
    end
    if answer ~= 'done' and answer ~= 'running' then
        local state = answer == 'suspect' and 'waiting' or 'running'
        local value = string.format('%s:%d:%d:%s', state, lost, now + lease, owner)
        redis.call('SET', key, value, 'PX', math.max(lease, kept))
    end
    answers[i] = answer
end
return answers
