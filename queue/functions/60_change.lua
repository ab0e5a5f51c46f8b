-- What an operator changes: recipients of one list element a call, which must still be there as it was seen.
--
-- Places: 'q' ready, 'r' waiting (which: due), 'h' held, 'd' parked (which: lease), 'b' bounced, 'e' expired.

local SEARCH = 10000           -- elements looked at for one that moved within its list
local RELEASE_WHEEL_MS = 5000  -- released recipients that wait share buckets

local function is_failed(place)
  return place == 'b' or place == 'e'
end

local function place_key(P, place, m, which)
  if place == 'q' then return list_key(P, m.lt, m.camp, m.dom) end
  if place == 'h' then return held_key(P, m.lt, m.camp, m.dom) end
  if is_failed(place) then return kept_key(P, m.lt, place, m.camp, m.dom) end
  if place == 'r' then return P .. 'r:' .. which .. '|' .. m.lt .. '|' .. m.camp .. '|' .. m.dom end
  return P .. 'f:' .. which
end

-- Its index, from either end; false when it is not there any more.
local function find(key, chunk, hint)
  if redis.call('LINDEX', key, hint) == chunk then return tonumber(hint) end
  return redis.call('LPOS', key, chunk, 'MAXLEN', SEARCH)
end

local function take_out(P, place, m, which, key, at, chunk, rest)
  if place == 'd' then
    redis.call('HDEL', P .. 'pg', which)
    if rest == '' then redis.call('HDEL', P .. 'dead', which) end
  end
  if rest ~= '' then
    redis.call('LSET', key, at, rest)
    if place == 'd' then
      m.count = chunk_count(rest)
      redis.call('HSET', P .. 'dead', which, pack_lease(m))
    end
    return
  end
  redis.call('LREM', key, at < 0 and -1 or 1, chunk)
  if redis.call('EXISTS', key) == 1 then return end
  if place == 'r' then redis.call('ZREM', P .. 'rb', which .. '|' .. m.lt .. '|' .. m.camp .. '|' .. m.dom) end
  if place == 'h' then redis.call('SREM', P .. 'hd:' .. m.camp, m.dom) end
  if is_failed(place) then redis.call('SREM', P .. 'kp:' .. m.camp, place .. '|' .. m.dom) end
end

-- A domain that rests, and nobody works on, may be offered now.
local function wake_domain(P, lt, dom, now)
  local score = tonumber(redis.call('ZSCORE', P .. lt .. ':doms', dom))
  if not score or score >= BUSY or score <= now then return 0 end
  redis.call('ZADD', P .. lt .. ':doms', now, dom)
  return 1
end

local function make_ready(P, m, chunk, state, now)
  if redis.call('LPUSH', list_key(P, m.lt, m.camp, m.dom), chunk) == 1 then
    index(P, m.lt, m.camp, m.dom, state, now)
  end
end

local function end_singles(P, args, from, now)
  for i = from, #args do
    local m = P .. 'm:' .. args[i]
    if redis.call('EXISTS', m) == 1 then
      redis.call('HSET', m, 'state', 'cancelled', 'at', now)
      redis.call('EXPIRE', m, KEEP_SINGLE_SECONDS)
    end
    redis.call('UNLINK', P .. 'x:' .. args[i])
  end
end

local FROM = {hold = 'qr', release = 'h', delete = 'qrhd', retry = 'r', again = 'be', forget = 'qrhdbe'}
local COUNTER = {r = 'waiting_retry', h = 'held', d = 'parked', b = 'bounced', e = 'expired'}

-- A finished campaign begins again: its record says paused by now, at this revision, and a partition that still hears
-- of the end must not drop what comes back.
local function reopen(c, state, revision)
  if state ~= 'finished' then return state end
  redis.call('HSET', c, 'state', 'paused', 'rev', revision)
  return 'paused'
end

-- change(tool, sequence, verb, place, lt, camp, dom, which, index, chunk, rest, picked, outcomes, due, number...): the chunk
-- becomes rest ('': nothing is left of it) and what was picked goes where the verb says; picked '' is the chunk itself, or
-- for delete its outcomes. again: what failed is tried once more; outcomes say that the earlier ones no longer count, and
-- due is the record's revision. forget: delete, of campaigns that are over, too, and of what failed, whose counts stay; a parked
-- chunk may have nobody picked but one that was settled before.
-- Returns how many recipients that were, at least 1; 0: the chunk is not there any more; -1: the campaign is over.
local function change(keys, args)
  local P, tool, seq, verb, place = keys[1], args[1], args[2], args[3], args[4]
  local m, which = {lt = args[5], camp = args[6], dom = args[7]}, args[8]
  local chunk, rest, picked, due = args[10], args[11], args[12], tonumber(args[14])
  local before, result = string.match(redis.call('HGET', P .. 'ops', tool) or '', '^(%d+)|(-?%d+)$')
  if before == seq then return tonumber(result) end
  if not FROM[verb] or not string.find(FROM[verb], place, 1, true) then
    return redis.error_reply('MISTAKE cannot ' .. verb .. ' what lies in ' .. place)
  end
  if picked == '' then picked = chunk end
  if not valid_chunk(picked) or (rest ~= '' and not valid_chunk(rest)) or
     ((verb == 'delete' or verb == 'again' or (verb == 'forget' and place ~= 'd' and not is_failed(place))) and args[13] == '' and
      m.camp ~= SINGLES) then
    return redis.error_reply('CORRUPT change of a chunk for ' .. m.dom)
  end
  local key, c = place_key(P, place, m, which), P .. 'c:' .. m.camp
  local total, left = chunk_count(chunk), rest == '' and 0 or chunk_count(rest)
  if place == 'd' then
    local text = redis.call('HGET', P .. 'dead', which)
    if not text then return 0 end
    m = unpack_lease(text)
    if m.camp ~= args[6] or m.lt ~= args[5] or m.dom ~= args[7] then return 0 end
    total = m.count  -- its others were settled before
  end
  local count = total - left
  local uncounted = verb == 'delete' or verb == 'forget'
  if count < 0 or (count == 0 and not (verb == 'forget' and place == 'd')) or
     (not uncounted and chunk_count(picked) ~= count) then
    return redis.error_reply('MISCOUNT ' .. total .. ' recipients, ' .. left .. ' left')
  end
  local state, now = redis.call('HGET', c, 'state'), now_ms()
  -- The record went on since it was reopened.
  if verb == 'again' and number(redis.call('HGET', c, 'rev')) > due then return -1 end
  if verb ~= 'forget' and (state == 'cancelled' or (state == 'finished' and verb ~= 'again')) then return -1 end
  local at = find(key, chunk, args[9])
  if not at then return 0 end

  take_out(P, place, m, which, key, at, chunk, rest)
  local counts = {}
  if COUNTER[place] and not (verb == 'forget' and is_failed(place)) then counts[COUNTER[place]] = -count end
  if verb == 'hold' then
    redis.call('RPUSH', held_key(P, m.lt, m.camp, m.dom), picked)
    redis.call('SADD', P .. 'hd:' .. m.camp, m.dom)
    counts.held = count
  elseif uncounted then
    -- Of a cancelled campaign's rest there are neither counts nor outcomes.
    if count > 0 and not is_over(state) and not is_failed(place) then
      counts.cancelled = count
      if m.camp == SINGLES then
        end_singles(P, args, 15, now)
      else
        redis.call('RPUSH', P .. 'o:' .. m.camp, args[13])
      end
    end
  elseif verb == 'again' then
    redis.call('RPUSH', P .. 'o:' .. m.camp, args[13])
    counts.retried = count
    make_ready(P, m, picked, reopen(c, state, args[14]), now)
  elseif verb == 'release' and due > now then
    schedule(P, m, due - now, RELEASE_WHEEL_MS, picked, now)
    counts.waiting_retry = count
  else
    make_ready(P, m, picked, state, now)
    if verb == 'retry' then wake_domain(P, m.lt, m.dom, now) end
  end
  add_all(c, counts)
  count = math.max(count, 1)
  redis.call('HSET', P .. 'ops', tool, seq .. '|' .. count)
  redis.call('EXPIRE', P .. 'ops', 3600)
  return count
end

-- wake(lt, dom...): how many of them rested.
local function wake(keys, args)
  local now, woken = now_ms(), 0
  for i = 2, #args do woken = woken + wake_domain(keys[1], args[1], args[i], now) end
  return woken
end

redis.register_function{function_name = 'volley1_change', flags = {'allow-oom'}, callback = change}
redis.register_function{function_name = 'volley1_wake', flags = {'allow-oom'}, callback = wake}
