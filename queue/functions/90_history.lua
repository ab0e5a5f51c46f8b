-- What tells a queue that was restored from a backup, and makes it good.
--
--   volley:{g}:history   HASH engine -> its mark, which only moves forward (queue/history.h)

-- history(engine, mark, expected): the mark that was there; a later one takes its place. Unless the queue has forgotten: less
-- than expected is there, and nothing is written over it.
local function history(keys, args)
  local key, mark = keys[1] .. 'history', tonumber(args[2])
  local have = number(redis.call('HGET', key, args[1]))
  if have >= tonumber(args[3]) and mark > have then redis.call('HSET', key, args[1], args[2]) end
  return have
end

-- whole(): two writes, so that they lie in the append-only file as a transaction, whose end ends one that power has left open there.
local function whole(keys)
  redis.call('SET', keys[1] .. 'whole', '1')
  return redis.call('DEL', keys[1] .. 'whole')
end

local function note_resolved(P, args, from, now)
  for i = from, #args, 3 do
    local m = P .. 'm:' .. args[i]
    if redis.call('EXISTS', m) == 1 then
      redis.call('HSET', m, 'state', args[i + 1], 'code', args[i + 2], 'text', '', 'at', now)
      redis.call('EXPIRE', m, KEEP_SINGLE_SECONDS)
    end
    redis.call('UNLINK', P .. 'x:' .. args[i])
  end
end

-- An engine may be working on what is in flight, unless its lease is over or it is the one that asks.
local function in_use(P, engine, now)
  local have = redis.call('HMGET', P .. 'own', 'owner', 'expires')
  return have[1] and have[1] ~= '' and have[1] ~= engine and number(have[2]) > now
end

-- resolve(tool, sequence, engine, place, lt, camp, dom, which, index, chunk, rest, outcomes, delivered, bounced, expired, suppressed,
--         {number, state, code}...): of a chunk that must still be as it was seen, all but the rest are final elsewhere.
-- Places as in change, and 'f': in flight. Returns how many; 0: it is not there any more, or in use; -1: the campaign is over.
local function resolve(keys, args)
  local P, tool, seq, engine, place = keys[1], args[1], args[2], args[3], args[4]
  local m, which, chunk, rest = {lt = args[5], camp = args[6], dom = args[7]}, args[8], args[10], args[11]
  local before, result = string.match(redis.call('HGET', P .. 'ops', tool) or '', '^(%d+)|(-?%d+)$')
  if before == seq then return tonumber(result) end
  if rest ~= '' and not valid_chunk(rest) then return redis.error_reply('CORRUPT rest of a chunk for ' .. m.dom) end
  local now, c, leases = now_ms(), P .. 'c:' .. m.camp, place == 'f' and 'inf' or place == 'd' and 'dead'
  local total, left = chunk_count(chunk), rest == '' and 0 or chunk_count(rest)
  if leases then
    local text = redis.call('HGET', P .. leases, which)
    if not text or (place == 'f' and in_use(P, engine, now)) then return 0 end
    m = unpack_lease(text)
    if m.camp ~= args[6] or m.lt ~= args[5] or m.dom ~= args[7] then return 0 end
    total = m.count
  end
  local count = total - left
  local sum = tonumber(args[13]) + tonumber(args[14]) + tonumber(args[15]) + tonumber(args[16])
  if count <= 0 or count ~= sum then
    return redis.error_reply('MISCOUNT ' .. total .. ' recipients, ' .. left .. ' left, ' .. sum .. ' known')
  end
  if is_over(redis.call('HGET', c, 'state')) then return -1 end
  local key = place_key(P, place, m, which)
  local at = find(key, chunk, args[9])
  if not at then return 0 end

  take_out(P, place, m, which, key, at, chunk, rest)
  if place == 'f' then
    redis.call('HDEL', P .. 'pg', which)
    if rest == '' then
      redis.call('HDEL', P .. 'inf', which)
    else
      m.count = left
      redis.call('HSET', P .. 'inf', which, pack_lease(m))
    end
  end
  local counts = {delivered = tonumber(args[13]), bounced = tonumber(args[14]), expired = tonumber(args[15]),
                  suppressed = tonumber(args[16])}
  local counter = place == 'f' and 'in_flight' or COUNTER[place]
  if counter then counts[counter] = -count end
  if m.camp == SINGLES then
    note_resolved(P, args, 17, now)
  else
    redis.call('RPUSH', P .. 'o:' .. m.camp, args[12])
  end
  add_all(c, counts)
  redis.call('HSET', P .. 'ops', tool, seq .. '|' .. count)
  redis.call('EXPIRE', P .. 'ops', 3600)
  return count
end

redis.register_function{function_name = 'volley1_history', flags = {'allow-oom'}, callback = history}
redis.register_function{function_name = 'volley1_whole', flags = {'allow-oom'}, callback = whole}
redis.register_function{function_name = 'volley1_resolve', flags = {'allow-oom'}, callback = resolve}
