-- Campaign control inside a partition.

-- apply(epoch, camp, lt, revision, state, weight): 1 when more calls are needed to finish the change.
local function apply(keys, args)
  local P, camp, lt, state = keys[1], args[2], args[3], args[5]
  local epoch = redis.call('HGET', P .. 'own', 'epoch')
  if number(epoch) ~= tonumber(args[1]) then return fenced(epoch, args[1]) end
  local c = P .. 'c:' .. camp
  local have = redis.call('HMGET', c, 'rev', 'state', 'weight')
  if number(have[1]) > tonumber(args[4]) then return 0 end
  if have[1] ~= args[4] or have[2] ~= state or have[3] ~= args[6] then
    redis.call('HSET', c, 'rev', args[4], 'state', state, 'weight', args[6])
  end
  local pk = P .. 'pk:' .. camp
  if state ~= 'running' and not is_over(state) then return 0 end
  local now = now_ms()
  for _, dom in ipairs(redis.call('SPOP', pk, 500)) do
    if state == 'running' then
      index(P, lt, camp, dom, state, now)
    else
      redis.call('UNLINK', list_key(P, lt, camp, dom))
    end
  end
  local held = is_over(state) and drop_held(P, lt, camp)
  return (held or redis.call('EXISTS', pk) == 1) and 1 or 0
end

-- unpark(camp): parked chunks become leases of epoch 0, so that the next recovery takes them up, progress and all; leases on their
-- way there are forgiven.
local function unpark(keys, args)
  local P, camp, count = keys[1], args[1], 0
  local all = redis.call('HGETALL', P .. 'dead')
  for i = 1, #all, 2 do
    local m = unpack_lease(all[i + 1])
    if m.camp == camp then
      m.epoch, m.seq, m.reclaims = 0, 0, 0
      redis.call('HDEL', P .. 'dead', all[i])
      redis.call('HDEL', P .. 'why', all[i])
      redis.call('HSET', P .. 'inf', all[i], pack_lease(m))
      count = count + m.count
    end
  end
  local leases = redis.call('HGETALL', P .. 'inf')
  for i = 1, #leases, 2 do
    local m = unpack_lease(leases[i + 1])
    if m.camp == camp and m.reclaims > 0 then
      m.reclaims = 0
      redis.call('HSET', P .. 'inf', leases[i], pack_lease(m))
    end
  end
  add_all(P .. 'c:' .. camp, {in_flight = count, parked = -count})
  return count
end

local function drop_parked(P, camp)
  local all = redis.call('HGETALL', P .. 'dead')
  for i = 1, #all, 2 do
    if unpack_lease(all[i + 1]).camp == camp then
      redis.call('UNLINK', P .. 'f:' .. all[i])
      redis.call('HDEL', P .. 'dead', all[i])
      redis.call('HDEL', P .. 'why', all[i])
      redis.call('HDEL', P .. 'pg', all[i])
    end
  end
end

-- purge(camp, lt, phase, cursor, keep, revision, state): one step; returns {phase, cursor} of the next, phase 3 is the end. keep '1':
-- the counts stay. Whoever tries its recipients again by an older revision is refused from the first step on.
local function purge(keys, args)
  local P, camp, lt, phase, cursor = keys[1], args[1], args[2], tonumber(args[3]), args[4]
  if phase == 0 then
    local c = P .. 'c:' .. camp
    local have = redis.call('HMGET', c, 'in_flight', 'rev')
    if number(have[1]) > 0 then return redis.error_reply('REFUSED mail of the campaign is in flight') end
    if number(have[2]) < tonumber(args[6]) and redis.call('EXISTS', c) == 1 then
      redis.call('HSET', c, 'rev', args[6], 'state', args[7])
    end
    for _, dom in ipairs(redis.call('SPOP', P .. 'pk:' .. camp, 500)) do
      redis.call('UNLINK', list_key(P, lt, camp, dom))
    end
    local held, kept = drop_held(P, lt, camp), drop_kept(P, lt, camp)
    return {(held or kept or redis.call('EXISTS', P .. 'pk:' .. camp) == 1) and 0 or 1, '0'}
  end
  if phase == 1 then
    local page = redis.call('ZSCAN', P .. lt .. ':doms', cursor, 'COUNT', 300)
    for i = 1, #page[2], 2 do
      local dom = page[2][i]
      redis.call('ZREM', P .. lt .. ':dc:' .. dom, camp)
      redis.call('UNLINK', list_key(P, lt, camp, dom))
    end
    return {page[1] == '0' and 2 or 1, page[1]}
  end
  local page = redis.call('ZSCAN', P .. 'rb', cursor, 'MATCH', '*|' .. camp .. '|*', 'COUNT', 300)
  for i = 1, #page[2], 2 do
    redis.call('UNLINK', P .. 'r:' .. page[2][i])
    redis.call('ZREM', P .. 'rb', page[2][i])
  end
  if page[1] ~= '0' then return {2, page[1]} end
  drop_parked(P, camp)
  redis.call('UNLINK', P .. 'o:' .. camp)
  if args[5] ~= '1' then redis.call('UNLINK', P .. 'c:' .. camp) end
  return {3, '0'}
end

redis.register_function{function_name = 'volley1_apply', flags = {'allow-oom'}, callback = apply}
redis.register_function{function_name = 'volley1_unpark', flags = {'allow-oom'}, callback = unpark}
redis.register_function{function_name = 'volley1_purge', flags = {'allow-oom'}, callback = purge}
