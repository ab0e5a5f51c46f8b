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

local COUNTER = {r = 'waiting_retry', h = 'held', d = 'parked', b = 'bounced', e = 'expired'}

-- A verb gets a request: the partition P, the list's m (lt, camp, dom) and place, count recipients of the picked chunk (which the verb
-- puts where it says), outcomes, due, the campaign's state, now and the call's own args. Returns what it counts besides what left its
-- place, and true when the place itself goes on counting them.

local function hold(q)
  redis.call('RPUSH', held_key(q.P, q.m.lt, q.m.camp, q.m.dom), q.picked)
  redis.call('SADD', q.P .. 'hd:' .. q.m.camp, q.m.dom)
  return {held = q.count}
end

local function release(q)
  if q.due > q.now then
    schedule(q.P, q.m, q.due - q.now, RELEASE_WHEEL_MS, q.picked, q.now)
    return {waiting_retry = q.count}
  end
  make_ready(q.P, q.m, q.picked, q.state, q.now)
  return {}
end

local function retry(q)
  make_ready(q.P, q.m, q.picked, q.state, q.now)
  wake_domain(q.P, q.m.lt, q.m.dom, q.now)
  return {}
end

local function delete(q)
  if q.m.camp == SINGLES then
    end_singles(q.P, q.args, 15, q.now)
  else
    redis.call('RPUSH', q.P .. 'o:' .. q.m.camp, q.outcomes)
  end
  return {cancelled = q.count}
end

-- A finished campaign begins again: its record says paused by now, at this revision, and a partition that still hears
-- of the end must not drop what comes back.
local function again(q)
  redis.call('RPUSH', q.P .. 'o:' .. q.m.camp, q.outcomes)
  local state = q.state
  if state == 'finished' then
    state = 'paused'
    redis.call('HSET', q.P .. 'c:' .. q.m.camp, 'state', state, 'rev', q.args[14])
  end
  make_ready(q.P, q.m, q.picked, state, q.now)
  return {retried = q.count}
end

local function forget(q)
  if is_failed(q.place) then return {}, true end
  -- Of a cancelled campaign's rest there are neither counts nor outcomes.
  if q.count == 0 or is_over(q.state) then return {} end
  return delete(q)
end

-- from: the places it takes out of.
local VERBS = {
  hold = {run = hold, from = 'qr'},
  release = {run = release, from = 'h'},
  delete = {run = delete, from = 'qrhd'},
  retry = {run = retry, from = 'r'},
  again = {run = again, from = 'be'},
  forget = {run = forget, from = 'qrhdbe'},
}

-- What was picked is final with its outcomes, or no more; for the other verbs it is a chunk that goes on.
local function is_removal(verb)
  return verb == 'delete' or verb == 'forget'
end

local function needs_outcomes(verb, place, camp)
  if camp == SINGLES then return false end
  return verb == 'delete' or verb == 'again' or (verb == 'forget' and place ~= 'd' and not is_failed(place))
end

local function refuses(verb, state, rev, due)
  -- The record went on since it was reopened.
  if verb == 'again' then return number(rev) > due or state == 'cancelled' end
  return verb ~= 'forget' and is_over(state)
end

-- Its recipients, and whose they are: m, with what its lease says of a parked one, of which others were settled before. nil: not there.
local function look_at_change(P, place, m, which, chunk)
  if place ~= 'd' then return m, chunk_count(chunk) end
  local text = redis.call('HGET', P .. 'dead', which)
  if not text then return nil end
  local lease = unpack_lease(text)
  if lease.camp ~= m.camp or lease.lt ~= m.lt or lease.dom ~= m.dom then return nil end
  return lease, lease.count
end

-- change(tool, sequence, verb, place, lt, camp, dom, which, index, chunk, rest, picked, outcomes, due, number...): the chunk
-- becomes rest ('': nothing is left of it) and what was picked goes where the verb says; picked '' is the chunk itself, or
-- for delete its outcomes. again: what failed is tried once more; outcomes say that the earlier ones no longer count, and
-- due is the record's revision. forget: delete, of campaigns that are over, too, and of what failed, whose counts stay; a parked
-- chunk may have nobody picked but one that was settled before.
-- Returns how many recipients that were, at least 1; 0: the chunk is not there any more; -1: the campaign is over.
local function change(keys, args)
  local P, tool, seq, verb, place, which, chunk, rest = keys[1], args[1], args[2], args[3], args[4], args[8], args[10], args[11]
  local picked, due = args[12] ~= '' and args[12] or chunk, tonumber(args[14])
  local before, result = string.match(redis.call('HGET', P .. 'ops', tool) or '', '^(%d+)|(-?%d+)$')
  if before == seq then return tonumber(result) end
  if not VERBS[verb] or not string.find(VERBS[verb].from, place, 1, true) then
    return redis.error_reply('MISTAKE cannot ' .. verb .. ' what lies in ' .. place)
  end
  if not valid_chunk(picked) or (rest ~= '' and not valid_chunk(rest)) or
     (args[13] == '' and needs_outcomes(verb, place, args[6])) then
    return redis.error_reply('CORRUPT change of a chunk for ' .. args[7])
  end
  local m, total = look_at_change(P, place, {lt = args[5], camp = args[6], dom = args[7]}, which, chunk)
  if not m then return 0 end
  local left = rest == '' and 0 or chunk_count(rest)
  local count = total - left
  if count < 0 or (count == 0 and not (verb == 'forget' and place == 'd')) or
     (not is_removal(verb) and chunk_count(picked) ~= count) then
    return redis.error_reply('MISCOUNT ' .. total .. ' recipients, ' .. left .. ' left')
  end
  local c, key = P .. 'c:' .. m.camp, place_key(P, place, m, which)
  local have = redis.call('HMGET', c, 'state', 'rev')
  if refuses(verb, have[1], have[2], due) then return -1 end
  local at = find(key, chunk, args[9])
  if not at then return 0 end

  take_out(P, place, m, which, key, at, chunk, rest)
  local counts, stays = VERBS[verb].run{P = P, m = m, place = place, count = count, picked = picked, outcomes = args[13], due = due,
                                        state = have[1], now = now_ms(), args = args}
  if COUNTER[place] and not stays then counts[COUNTER[place]] = (counts[COUNTER[place]] or 0) - count end
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
