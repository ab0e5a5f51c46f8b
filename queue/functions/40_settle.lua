-- Settling leases, and taking over those of a dead owner.

-- Single messages have a status of their own. attempts, because nobody else keeps them once the chunk is gone.
local function note_singles(P, args, from, now)
  for i = from, #args - 3, 4 do
    local m, state = P .. 'm:' .. args[i], args[i + 1]
    if redis.call('EXISTS', m) == 1 then
      redis.call('HSET', m, 'state', state, 'code', args[i + 2], 'text', args[i + 3], 'at', now)
      redis.call('HINCRBY', m, 'attempts', 1)
      if state ~= 'deferred' then
        redis.call('EXPIRE', m, KEEP_SINGLE_SECONDS)
        redis.call('UNLINK', P .. 'x:' .. args[i])
      end
    end
  end
end

-- Due at a turn of the wheel, a finer one for a short delay: what is to be tried again in a second is not to wait for five.
local function schedule(P, m, delay, wheel, chunk, now)
  local finer = 250
  while finer * 2 <= delay / 8 do finer = finer * 2 end
  wheel = math.min(wheel, finer)
  local due = math.ceil((now + delay) / wheel) * wheel
  local member = due .. '|' .. m.lt .. '|' .. m.camp .. '|' .. m.dom
  redis.call('RPUSH', P .. 'r:' .. member, chunk)
  redis.call('ZADD', P .. 'rb', 'NX', due, member)
end

-- Recipients of n chunks in args, each behind its delay or kind; nil: one cannot be read.
local function count_pairs(args, first, n)
  local sum = 0
  for i = first + 1, first + 2 * n, 2 do
    if not valid_chunk(args[i]) then return nil end
    sum = sum + chunk_count(args[i])
  end
  return sum
end

-- settle(epoch, lease, sequence, close, ready in, wheel, delivered, bounced, expired, suppressed, deferrals, outcomes,
--        done, remainder, retries, kept, {delay, chunk}..., {kind, chunk}..., {number, state, code, text}...)
-- kept: chunks of those that bounced ('b') or expired ('e'), for whoever wants them tried again.
-- 0 applied, 1 already applied, 2 the lease belongs to a newer epoch, or to a younger queue.
-- The lease's own epoch decides, not the partition's: what was delivered under it is a fact until somebody recovers it.
local function settle(keys, args)
  local P, epoch, lease, seq, close = keys[1], tonumber(args[1]), args[2], tonumber(args[3]), args[4] == '1'
  local ready_in, wheel = tonumber(args[5]), math.max(1, tonumber(args[6]))
  local outcomes, done, remainder, retries = args[12], args[13], args[14], tonumber(args[15])
  local kept, singles = tonumber(args[16]), 17 + 2 * (tonumber(args[15]) + tonumber(args[16]))
  local text = redis.call('HGET', P .. 'inf', lease)
  if not text then return 1 end
  local m = unpack_lease(text)
  if m.epoch ~= epoch then return 2 end
  if seq <= m.seq then return 1 end
  -- One before it was confirmed, and is forgotten: by a server that lost power. What it told would never be told again.
  if seq ~= m.seq + 1 then return 2 end
  local finals = tonumber(args[7]) + tonumber(args[8]) + tonumber(args[9]) + tonumber(args[10])
  local back, waiting = 0, count_pairs(args, 17, retries)
  if not waiting then return redis.error_reply('CORRUPT retry of lease ' .. lease) end
  if not count_pairs(args, 17 + 2 * retries, kept) then return redis.error_reply('CORRUPT outcome of lease ' .. lease) end
  if remainder ~= '' then
    if not valid_chunk(remainder) then return redis.error_reply('CORRUPT remainder of lease ' .. lease) end
    back = chunk_count(remainder)
  end
  local left = m.count - finals - waiting - back
  if left < 0 or (close and left ~= 0) then
    return redis.error_reply('MISCOUNT lease ' .. lease .. ' has ' .. m.count .. ' recipients left: ' .. finals ..
                             ' final, ' .. waiting .. ' to retry, ' .. back .. ' returned')
  end

  local now, c = now_ms(), P .. 'c:' .. m.camp
  local state = redis.call('HGET', c, 'state')
  if not is_over(state) then
    for i = retries + 1, retries + kept do keep(P, m.lt, args[15 + 2 * i], m.camp, m.dom, args[16 + 2 * i]) end
  else
    retries, waiting, remainder = 0, 0, ''
  end
  for i = 1, retries do schedule(P, m, tonumber(args[15 + 2 * i]), wheel, args[16 + 2 * i], now) end
  if remainder ~= '' and redis.call('LPUSH', list_key(P, m.lt, m.camp, m.dom), remainder) == 1 then
    index(P, m.lt, m.camp, m.dom, state, now)
  end
  if outcomes ~= '' and m.camp ~= SINGLES then redis.call('RPUSH', P .. 'o:' .. m.camp, outcomes) end
  add_all(c, {delivered = tonumber(args[7]), bounced = tonumber(args[8]), expired = tonumber(args[9]),
              suppressed = tonumber(args[10]), deferrals = tonumber(args[11]), in_flight = left - m.count,
              waiting_retry = waiting})
  if m.camp == SINGLES then note_singles(P, args, singles, now) end
  if close then
    redis.call('UNLINK', P .. 'f:' .. lease)
    redis.call('HDEL', P .. 'inf', lease)
    redis.call('HDEL', P .. 'pg', lease)
  else
    m.count, m.seq, m.reclaims = left, seq, 0
    redis.call('HSET', P .. 'inf', lease, pack_lease(m))
    if done ~= '' then redis.call('HSET', P .. 'pg', lease, done) end
  end
  -- A loser must not wake a domain its new owner is working on.
  if ready_in >= 0 and number(redis.call('HGET', P .. 'own', 'epoch')) == epoch then
    set_ready(P, m.lt, m.dom, ready_in, now)
  end
  return 0
end

local function ready(keys, args)
  if number(redis.call('HGET', keys[1] .. 'own', 'epoch')) ~= tonumber(args[1]) then return 0 end
  set_ready(keys[1], args[2], args[3], tonumber(args[4]), now_ms())
  return 1
end

local function recovered(P, n, m)
  return {n, m.lt, m.camp, m.dom, redis.call('LINDEX', P .. 'f:' .. n, 0) or '',
          redis.call('HGET', P .. 'pg', n) or '', m.reclaims}
end

-- recover(epoch, token): leases of older epochs become this epoch's. A chunk that was recovered too often without any
-- progress may be what kills its owners: it is parked.
local function recover(keys, args)
  local P, epoch, token = keys[1], tonumber(args[1]), args[1] .. ':' .. args[2]
  local have = redis.call('HMGET', P .. 'own', 'epoch', 'rtok', 'rns')
  if number(have[1]) ~= epoch then return fenced(have[1], args[1]) end
  local out, names, bytes = {}, {}, 0
  if have[2] == token then
    for n in string.gmatch(have[3], '%d+') do
      local text = redis.call('HGET', P .. 'inf', n)
      if text then out[#out + 1] = recovered(P, tonumber(n), unpack_lease(text)) end
    end
    return out
  end
  local all = redis.call('HGETALL', P .. 'inf')
  for i = 1, #all, 2 do
    local n, m = all[i], unpack_lease(all[i + 1])
    if m.epoch < epoch then
      m.epoch, m.seq, m.reclaims = epoch, 0, m.reclaims + 1
      if m.reclaims > RECLAIM_LIMIT then
        redis.call('HDEL', P .. 'inf', n)
        redis.call('HSET', P .. 'dead', n, pack_lease(m))
        add_all(P .. 'c:' .. m.camp, {in_flight = -m.count, parked = m.count})
      else
        redis.call('HSET', P .. 'inf', n, pack_lease(m))
        out[#out + 1] = recovered(P, tonumber(n), m)
        names[#names + 1] = n
        bytes = bytes + #out[#out][5]
        if #out >= 128 or bytes >= 262144 then break end
      end
    end
  end
  if #out > 0 then redis.call('HSET', P .. 'own', 'rtok', token, 'rns', table.concat(names, ',')) end
  return out
end

redis.register_function{function_name = 'volley1_settle', flags = {'allow-oom'}, callback = settle}
redis.register_function{function_name = 'volley1_ready', flags = {'allow-oom'}, callback = ready}
redis.register_function{function_name = 'volley1_recover', flags = {'allow-oom'}, callback = recover}
