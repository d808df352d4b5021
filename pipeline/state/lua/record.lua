-- Stores one update of a recording's progress, or refuses it. Progress.record has the rules.
--
-- KEYS  1 state hash   2 stream of events   3 hash of earlier runs   4 epoch
-- ARGV  1 mode: update, queue, begin or cancel   2 run   3 attempt   4 status   5 '1' if that status ends the run
--       6 progress, '' to leave it as it is   7 event id   8 what it is about, as JSON
--       9 frame up to its sequence, 10 frame after its epoch
--       11 channel   12 events kept   13 for how many ms   14 earlier runs kept   15 for how many ms
--       16 for how many ms the state is kept, '' for good
--       17 when the run or the cancellation was asked for, in whole seconds, '' if nobody says
--       18 now, in seconds   19 for how many seconds a cancellation awaits a run of which nobody says when
-- Returns {sequence, epoch}, false for a refused update, or 'cancelled' for a run that was cancelled unseen.
--
-- The hash of earlier runs maps a run to "<sequence> <mark>". A mark is the status in which it ended; `replaced`:
-- it may not write any more; `waiting`: it was queued, and unannounced work went first, so it may still begin.
local mode, run, attempt, status, ends = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local progress, event_id = ARGV[6], ARGV[7]

local was = redis.call('HMGET', KEYS[1], 'run', 'attempt', 'status', 'ended', 'progress', 'sequence', 'event_id',
    'replaced', 'cancelled_at', 'cancelled_nothing')
local was_run, was_attempt, was_status, was_ended = was[1], was[2], was[3], was[4] == '1'
local shown, sequence, replaced = was[5], tonumber(was[6] or '0'), was[8] or ''
local epoch = redis.call('GET', KEYS[4])

if was[7] == event_id then
    return {sequence, epoch or ''}  -- the client sent it again because the first answer got lost
end

local function mark(name, value)
    redis.call('HSET', KEYS[3], name, sequence .. ' ' .. value)
end

local function earlier_runs()
    local found, pairs_ = {}, redis.call('HGETALL', KEYS[3])
    for i = 1, #pairs_, 2 do
        local at, value = string.match(pairs_[i + 1], '^(%d+) (.*)$')
        found[#found + 1] = {name = pairs_[i], at = tonumber(at), mark = value}
    end
    return found
end

-- Whether a run that was never seen was cancelled while it waited where nobody could see it.
local function cancelled_unseen()
    local cancelled_at = tonumber(was[9] or '')
    if not cancelled_at or run == was_run or redis.call('HEXISTS', KEYS[3], run) == 1 then
        return false
    end
    local asked = tonumber(ARGV[17])
    if asked and asked ~= cancelled_at then
        return asked < cancelled_at
    end
    return was[10] == '1' and tonumber(ARGV[18]) - cancelled_at <= tonumber(ARGV[19])
end

if mode == 'cancel' then
    local nothing = not was_run or was_ended
    if ARGV[17] ~= '' then
        redis.call('HSET', KEYS[1], 'cancelled_at', ARGV[17], 'cancelled_nothing', nothing and '1' or '')
    end
    if nothing then
        return false
    end
    run, attempt = was_run, was_attempt
    for _, each in ipairs(earlier_runs()) do
        if each.mark == 'waiting' or each.mark == 'replaced' then
            mark(each.name, status)
        end
    end
elseif mode == 'begin' and ends ~= '1' and cancelled_unseen() then
    return 'cancelled'
elseif not was_run then
    shown = '0'
elseif run == was_run then
    if was_ended then
        return false
    end
    if attempt ~= was_attempt then
        local gone = string.find('\n' .. replaced, '\n' .. attempt .. '\n', 1, true)
        if mode ~= 'begin' or gone then
            return false
        end
        replaced = string.sub(replaced .. was_attempt .. '\n', -4000)
        shown = '0'
    elseif progress ~= '' and tonumber(progress) < tonumber(shown) then
        return false
    end
else
    local known = redis.call('HGET', KEYS[3], run)
    local waiting = known and string.match(known, ' waiting$')
    if mode == 'update' or (known and not (waiting and mode == 'begin')) then
        return false
    end
    if mode == 'queue' then
        for _, each in ipairs(earlier_runs()) do
            if each.mark == 'waiting' then
                mark(each.name, 'replaced')
            end
        end
    end
    if was_ended then
        mark(was_run, was_status)
    elseif mode == 'begin' and was_attempt == '' then
        mark(was_run, 'waiting')
    else
        mark(was_run, 'replaced')
    end
    local kept = tonumber(ARGV[14])
    if redis.call('HLEN', KEYS[3]) > kept then
        local runs = earlier_runs()
        table.sort(runs, function(a, b) return a.at < b.at end)
        for i = 1, #runs - kept do
            redis.call('HDEL', KEYS[3], runs[i].name)
        end
    end
    redis.call('PEXPIRE', KEYS[3], ARGV[15])
    replaced, shown = '', '0'
end

if not epoch then
    epoch = event_id
    redis.call('SET', KEYS[4], epoch)
end
sequence = sequence + 1
if sequence == 1 then
    redis.call('DEL', KEYS[2])
end
if progress ~= '' then
    shown = progress
end
local wire = sequence .. ' ' .. epoch .. ' ' .. status .. ' ' .. ARGV[8] .. '\n'
    .. ARGV[9] .. sequence .. ',"epoch":"' .. epoch .. ARGV[10]
redis.call('HSET', KEYS[1], 'run', run, 'attempt', attempt, 'status', status, 'ended', ends, 'progress', shown,
    'sequence', sequence, 'event_id', event_id, 'replaced', replaced, 'last', wire)
if not was_run then
    -- It may have been forgotten, but for its sequence. Not before the first write that takes memory: where that is
    -- refused, for want of it, nothing may have been written.
    redis.call('PERSIST', KEYS[1])
end
if mode == 'begin' and status == 'cancelled' then
    redis.call('HSET', KEYS[1], 'cancelled_nothing', '')
end
if ARGV[16] ~= '' then
    redis.call('PEXPIRE', KEYS[1], ARGV[16])
end
redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[12], sequence .. '-0', 'event', wire)
redis.call('PEXPIRE', KEYS[2], ARGV[13])
redis.call('PUBLISH', ARGV[11], wire)
return {sequence, epoch}
