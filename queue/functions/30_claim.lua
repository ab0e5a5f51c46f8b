-- Owning a partition and claiming from it. All of these drain, so all are allow-oom.

local LEAP = 4  -- lifetimes: a lease that is over, or lasts, for longer than that was made on another clock
local LONGEST_REST = 120000  -- no owner lets a domain rest for longer: one that would was told so before the clock went back

-- own(owner, epoch, ttl): renews at the same epoch; acquires (a new epoch) what is free, expired or our own. When the clock has
-- leapt, its owner gets the time to renew: it may well be alive.
local function own(keys, args)
  local key, owner, epoch, ttl = keys[1] .. 'own', args[1], tonumber(args[2]), tonumber(args[3])
  local have = redis.call('HMGET', key, 'owner', 'epoch', 'expires')
  local now = now_ms()
  if have[1] and have[1] ~= '' and have[1] ~= owner and number(have[3]) > 0 then
    local left = number(have[3]) - now
    if left > LEAP * ttl or left < -LEAP * ttl then
      redis.call('HSET', key, 'expires', now + ttl)
      return {0, have[1]}
    end
    if left > 0 then return {0, have[1]} end
  end
  if have[1] == owner and epoch ~= 0 and number(have[2]) == epoch then
    redis.call('HSET', key, 'expires', now + ttl)
    return {epoch, ''}
  end
  -- Later than every epoch there was, also than one that a server which lost power has forgotten.
  local fresh = math.max(number(have[2]) + 1, now)
  redis.call('HSET', key, 'owner', owner, 'epoch', fresh, 'expires', now + ttl)
  return {fresh, ''}
end

local function release(keys, args)
  local key = keys[1] .. 'own'
  if number(redis.call('HGET', key, 'epoch')) == tonumber(args[1]) then
    redis.call('HSET', key, 'owner', '', 'expires', 0)
  end
  return 1
end

local function campaign(ctx, camp)
  local c = ctx.campaigns[camp]
  if not c then
    local have = redis.call('HMGET', ctx.P .. 'c:' .. camp, 'state', 'weight')
    c = {state = have[1] or 'importing', weight = math.max(1, tonumber(have[2] or '100'))}
    ctx.campaigns[camp] = c
  end
  return c
end

-- Moves chunks whose retry is due to the heads of their lists.
local function promote(ctx)
  local P = ctx.P
  local moves = 64
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', P .. 'rb', '-inf', ctx.now, 'LIMIT', 0, 16)) do
    local lt, camp, dom = string.match(member, '^%d+|([^|]*)|([^|]*)|([^|]*)$')
    local state, from = campaign(ctx, camp).state, P .. 'r:' .. member
    if is_over(state) then
      redis.call('UNLINK', from)
      redis.call('ZREM', P .. 'rb', member)
    else
      local q, moved = list_key(P, lt, camp, dom), 0
      local empty = redis.call('EXISTS', q) == 0
      while moves > 0 do
        local chunk = redis.call('LMOVE', from, q, 'RIGHT', 'LEFT')
        if not chunk then
          redis.call('ZREM', P .. 'rb', member)
          break
        end
        moves = moves - 1
        moved = moved + chunk_count(chunk)
      end
      if moved > 0 then
        if empty then index(P, lt, camp, dom, state, ctx.now) end
        redis.call('HINCRBY', P .. 'c:' .. camp, 'waiting_retry', -moved)
      end
    end
  end
end

-- One chunk of a domain, of the campaign with the lowest virtual time. Campaigns that may not send are moved out of the
-- way, those that are over are dropped; both spend the call's budget. False: nothing, or budget spent.
local function take(ctx, lt, dom)
  local P = ctx.P
  local dc = P .. lt .. ':dc:' .. dom
  while ctx.budget > 0 do
    ctx.budget = ctx.budget - 1
    local camp = redis.call('ZRANGE', dc, 0, 0)[1]
    if not camp then return false end
    local c, q = campaign(ctx, camp), list_key(P, lt, camp, dom)
    if c.state == 'running' then
      local n = ctx.n + 1
      local chunk = redis.call('LMOVE', q, P .. 'f:' .. n, 'LEFT', 'RIGHT')
      if chunk then
        local count = chunk_count(chunk)
        ctx.n = n
        ctx.bytes = ctx.bytes + #chunk
        ctx.flight[camp] = (ctx.flight[camp] or 0) + count
        redis.call('HSET', P .. 'inf', n, pack_lease{epoch = ctx.epoch, lt = lt, camp = camp, dom = dom,
                                                     count = count, seq = 0, reclaims = 0})
        local more = 1
        if redis.call('EXISTS', q) == 0 then
          redis.call('ZREM', dc, camp)
          more = redis.call('EXISTS', dc)
        else
          redis.call('ZINCRBY', dc, count * 100 / c.weight, camp)
        end
        ctx.out[#ctx.out + 1] = {n, lt, camp, dom, chunk, '', 0, more}
        redis.call('ZADD', P .. lt .. ':doms', BUSY + ctx.epoch, dom)
        return true
      end
      redis.call('ZREM', dc, camp)
    elseif is_over(c.state) then
      redis.call('UNLINK', q)
      redis.call('ZREM', dc, camp)
    else
      redis.call('ZREM', dc, camp)
      redis.call('SADD', P .. 'pk:' .. camp, dom)
    end
  end
  return false
end

local function full(ctx)
  return #ctx.out >= ctx.max_chunks or ctx.bytes >= ctx.max_bytes or ctx.budget <= 0
end

-- Domains whose score lies between low and high, one chunk each. Every round makes a domain busy or forgets it.
local function take_range(ctx, lt, low, high)
  local doms = ctx.P .. lt .. ':doms'
  while not full(ctx) do
    local ready = redis.call('ZRANGEBYSCORE', doms, low, high, 'LIMIT', 0, 16)
    if #ready == 0 then return end
    for _, dom in ipairs(ready) do
      if full(ctx) then return end
      if not take(ctx, lt, dom) and ctx.budget > 0 then redis.call('ZREM', doms, dom) end
    end
  end
end

-- Lanes and tenants, transactional first; of one lane ('t', 'b'), or of all ('').
local function lanes(P, lane)
  local some = {}
  for _, lt in ipairs(redis.call('SMEMBERS', P .. 'lt')) do
    if lane == '' or string.sub(lt, 1, 1) == lane then some[#some + 1] = lt end
  end
  table.sort(some, function(a, b) return a > b end)
  return some
end

-- Milliseconds until something is due: 0 now, -1 nothing known.
local function next_due(P, all, epoch, now)
  local due
  local function at(first, longest)
    if first[2] and tonumber(first[2]) < BUSY then
      local wait = math.max(0, tonumber(first[2]) - now)
      if longest and wait > longest then wait = 0 end
      if not due or wait < due then due = wait end
    end
  end
  for _, lt in ipairs(all) do
    local doms = P .. lt .. ':doms'
    at(redis.call('ZRANGE', doms, 0, 0, 'WITHSCORES'), LONGEST_REST)
    if #redis.call('ZRANGEBYSCORE', doms, BUSY, BUSY + epoch - 1, 'LIMIT', 0, 1) > 0 then due = 0 end
  end
  at(redis.call('ZRANGE', P .. 'rb', 0, 0, 'WITHSCORES'))
  return due or -1
end

-- The same reply again, for a claim whose reply was lost.
local function repeat_claim(P, from, to)
  local out = {}
  for n = from + 1, to do
    local text = redis.call('HGET', P .. 'inf', n)
    local chunk = redis.call('LINDEX', P .. 'f:' .. n, 0)
    if text and chunk then
      local m = unpack_lease(text)
      out[#out + 1] = {n, m.lt, m.camp, m.dom, chunk, '', m.reclaims}
    end
  end
  return out
end

-- claim(epoch, token, max chunks, max bytes, lane, known, {lt, dom}...): of these domains one chunk each, or of any on
-- this lane ('': on all). known: the last lease its owner has heard of. A server that lost power may have forgotten it; its number is
-- not given to another chunk, which would be settled by what became of the first.
local function claim(keys, args)
  local P, epoch, token = keys[1], tonumber(args[1]), args[1] .. ':' .. args[2]
  local have = redis.call('HMGET', P .. 'own', 'epoch', 'tok', 'n0', 'n')
  if number(have[1]) ~= epoch then return fenced(have[1], args[1]) end
  if have[2] == token then return {0, repeat_claim(P, number(have[3]), number(have[4]))} end
  local last = math.max(number(have[4]), tonumber(args[6]))
  local ctx = {P = P, epoch = epoch, now = now_ms(), n = last, out = {}, bytes = 0, campaigns = {}, flight = {},
               budget = 200, max_chunks = tonumber(args[3]), max_bytes = tonumber(args[4])}
  promote(ctx)
  local all = lanes(P, args[5])
  if #args > 6 then
    for i = 7, #args, 2 do
      if full(ctx) then break end
      take(ctx, args[i], args[i + 1])
    end
  else
    for _, lt in ipairs(all) do
      take_range(ctx, lt, '-inf', ctx.now)
      take_range(ctx, lt, ctx.now + LONGEST_REST + 1, '(' .. BUSY)
      take_range(ctx, lt, BUSY, BUSY + epoch - 1)  -- an earlier owner's work: free again
    end
  end
  for camp, count in pairs(ctx.flight) do redis.call('HINCRBY', P .. 'c:' .. camp, 'in_flight', count) end
  if #ctx.out > 0 then redis.call('HSET', P .. 'own', 'tok', token, 'n0', last, 'n', ctx.n) end
  return {next_due(P, all, epoch, ctx.now), ctx.out}
end

redis.register_function{function_name = 'volley1_own', flags = {'allow-oom'}, callback = own}
redis.register_function{function_name = 'volley1_release', flags = {'allow-oom'}, callback = release}
redis.register_function{function_name = 'volley1_claim', flags = {'allow-oom'}, callback = claim}
