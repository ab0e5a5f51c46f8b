-- Chunks that nobody can read, and what no index names.

-- park(epoch, lease, why): a chunk in flight that cannot be read waits for people, who learn why.
local function park(keys, args)
  local P, epoch, lease = keys[1], tonumber(args[1]), args[2]
  local text = redis.call('HGET', P .. 'inf', lease)
  if not text then return 0 end
  local m = unpack_lease(text)
  if m.epoch ~= epoch then return 0 end
  redis.call('HDEL', P .. 'inf', lease)
  redis.call('HSET', P .. 'dead', lease, text)
  redis.call('HSET', P .. 'why', lease, args[3])
  add_all(P .. 'c:' .. m.camp, {in_flight = -m.count, parked = m.count})
  return m.count
end

-- How many of a campaign's recipients are nowhere else than in what is ready.
local function ready_count(c)
  local have = redis.call('HMGET', c, 'accepted', 'delivered', 'bounced', 'expired', 'suppressed', 'cancelled', 'in_flight',
                          'waiting_retry', 'parked', 'held')
  local left = number(have[1])
  for i = 2, 10 do left = left - number(have[i]) end
  return left
end

-- drop(lease): a parked chunk that was parked for what it is. Its recipients are cancelled: nobody knows any more who they are.
-- Returns how many; -1: it is not there.
local function drop(keys, args)
  local P, lease = keys[1], args[1]
  local text = redis.call('HGET', P .. 'dead', lease)
  if not text or redis.call('HEXISTS', P .. 'why', lease) == 0 then return -1 end
  local m = unpack_lease(text)
  local c = P .. 'c:' .. m.camp
  -- Its own word for how many it has may be damaged, too: no more than are missing.
  local count = m.count
  if count > 256 then count = math.max(0, math.min(count, ready_count(c) + count)) end
  redis.call('UNLINK', P .. 'f:' .. lease)
  for _, name in ipairs({'dead', 'pg', 'why'}) do redis.call('HDEL', P .. name, lease) end
  add_all(c, {parked = -m.count, cancelled = count})
  return count
end

-- drift(camp...): recipients of running campaigns that are ready, when no index of the partition names anything ready.
local function drift(keys, args)
  local P, lost = keys[1], 0
  for _, lt in ipairs(redis.call('SMEMBERS', P .. 'lt')) do
    if redis.call('EXISTS', P .. lt .. ':doms') == 1 then return 0 end
  end
  for _, camp in ipairs(args) do
    local c = P .. 'c:' .. camp
    if redis.call('HGET', c, 'state') == 'running' and redis.call('EXISTS', P .. 'pk:' .. camp) == 0 then
      lost = lost + math.max(0, ready_count(c))
    end
  end
  return lost
end

-- Whether its index names a list that has something; made good unless it is only asked for.
local function mend_ready(P, lt, camp, dom, dry, now)
  if redis.call('EXISTS', list_key(P, lt, camp, dom)) == 0 then return false end
  local state = redis.call('HGET', P .. 'c:' .. camp, 'state') or 'importing'
  if redis.call('SISMEMBER', P .. 'pk:' .. camp, dom) == 1 then return false end
  if redis.call('ZSCORE', P .. lt .. ':dc:' .. dom, camp) and redis.call('ZSCORE', P .. lt .. ':doms', dom) and
     redis.call('SISMEMBER', P .. 'lt', lt) == 1 then
    return false
  end
  if not dry then index(P, lt, camp, dom, state, now) end
  return true
end

local function mend_waiting(P, due, lt, camp, dom, dry)
  local member = due .. '|' .. lt .. '|' .. camp .. '|' .. dom
  if redis.call('EXISTS', P .. 'r:' .. member) == 0 or redis.call('ZSCORE', P .. 'rb', member) then return false end
  if not dry then redis.call('ZADD', P .. 'rb', due, member) end
  return true
end

local function mend_held(P, lt, camp, dom, dry)
  if redis.call('EXISTS', held_key(P, lt, camp, dom)) == 0 or redis.call('SISMEMBER', P .. 'hd:' .. camp, dom) == 1 then
    return false
  end
  if not dry then redis.call('SADD', P .. 'hd:' .. camp, dom) end
  return true
end

-- repair(dry, {place, due, lt, camp, dom}...): for each list 1 when no index named it, 0 when one did.
local function repair(keys, args)
  local P, dry, now, out = keys[1], args[1] == '1', now_ms(), {}
  for i = 2, #args, 5 do
    local place, due, lt, camp, dom = args[i], args[i + 1], args[i + 2], args[i + 3], args[i + 4]
    local mended = false
    if place == 'q' then mended = mend_ready(P, lt, camp, dom, dry, now) end
    if place == 'r' then mended = mend_waiting(P, due, lt, camp, dom, dry) end
    if place == 'h' then mended = mend_held(P, lt, camp, dom, dry) end
    out[#out + 1] = mended and 1 or 0
  end
  return out
end

-- adopt(lease, lt, camp, dom, dry): a chunk in flight that no lease names gets one of epoch 0, so that the next recovery takes it up;
-- when the campaign misses as many in flight. Returns 1, or 0 when that is not so.
local function adopt(keys, args)
  local P, lease, lt, camp, dom = keys[1], args[1], args[2], args[3], args[4]
  if redis.call('HEXISTS', P .. 'inf', lease) == 1 or redis.call('HEXISTS', P .. 'dead', lease) == 1 then return 0 end
  local chunk = redis.call('LINDEX', P .. 'f:' .. lease, 0)
  if not chunk or not valid_chunk(chunk) then return 0 end
  local c, leased = P .. 'c:' .. camp, 0
  local all = redis.call('HGETALL', P .. 'inf')
  for i = 2, #all, 2 do
    local m = unpack_lease(all[i])
    if m.camp == camp then leased = leased + m.count end
  end
  local have = redis.call('HMGET', c, 'in_flight', 'state')
  local count = chunk_count(chunk)
  if not have[2] or number(have[1]) - leased < count then return 0 end
  if args[5] == '1' then return 1 end
  redis.call('HSET', P .. 'inf', lease, pack_lease{epoch = 0, lt = lt, camp = camp, dom = dom, count = count, seq = 0,
                                                   reclaims = 0})
  return 1
end

redis.register_function{function_name = 'volley1_park', flags = {'allow-oom'}, callback = park}
redis.register_function{function_name = 'volley1_drop', flags = {'allow-oom'}, callback = drop}
redis.register_function{function_name = 'volley1_drift', flags = {'no-writes'}, callback = drift}
redis.register_function{function_name = 'volley1_repair', flags = {'allow-oom'}, callback = repair}
redis.register_function{function_name = 'volley1_adopt', flags = {'allow-oom'}, callback = adopt}
