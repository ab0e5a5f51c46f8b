-- Records: the queue's meta record, campaigns, engines' status.

-- meta(schema, partitions, dedupe key): creates what is absent, returns what is there.
local function meta(keys, args)
  local key = keys[1] .. 'meta'
  redis.call('HSETNX', key, 'schema', args[1])
  redis.call('HSETNX', key, 'partitions', args[2])
  redis.call('HSETNX', key, 'dedupe_key', args[3])
  redis.call('HSETNX', key, 'retry_wheel_ms', 5000)
  return redis.call('HMGET', key, 'schema', 'partitions', 'dedupe_key', 'retry_wheel_ms')
end

-- create(json, content): the record that is there already, or nil when this call made it.
local function create(keys, args)
  local rec = keys[1] .. 'rec'
  local have = redis.call('HGET', rec, 'json')
  if have then return have end
  redis.call('SET', keys[1] .. 'content', args[2])
  redis.call('HSET', rec, 'json', args[1], 'rev', 1)
  return false
end

-- put(expected revision, json, nonce): compare and set. A repeated call finds its own nonce and succeeds; another writer of
-- the very same text does not.
local function put(keys, args)
  local have = redis.call('HMGET', keys[1] .. 'rec', 'rev', 'by')
  if not have[1] then return redis.error_reply('GONE no such campaign') end
  if have[2] == args[3] then return 1 end
  if have[1] ~= args[1] then return 0 end
  redis.call('HSET', keys[1] .. 'rec', 'json', args[2], 'rev', tonumber(args[1]) + 1, 'by', args[3])
  return 1
end

-- put(), and a value that goes with it, in one: none is left behind where there is no such campaign.
local function put_with(key, keys, args)
  local have = redis.call('HMGET', keys[1] .. 'rec', 'rev', 'by')
  if not have[1] then return redis.error_reply('GONE no such campaign') end
  if have[2] == args[4] then return 1 end
  if have[1] ~= args[1] then return 0 end
  redis.call('SET', keys[1] .. key, args[3])
  redis.call('HSET', keys[1] .. 'rec', 'json', args[2], 'rev', tonumber(args[1]) + 1, 'by', args[4])
  return 1
end

-- erase(created): the record and what lies with it; 0 when there is none, -1 when it is another campaign's by now.
local function erase(keys, args)
  local json = redis.call('HGET', keys[1] .. 'rec', 'json')
  if not json then return 0 end
  if cjson.decode(json).created_ms ~= tonumber(args[1]) then return -1 end
  redis.call('UNLINK', keys[1] .. 'rec', keys[1] .. 'content', keys[1] .. 'sup', keys[1] .. 'canary')
  return 1
end

-- update(expected revision, json, content, nonce)
local function update(keys, args) return put_with('content', keys, args) end

-- suppress(expected revision, json, packed hashes, nonce)
local function suppress(keys, args) return put_with('sup', keys, args) end

-- status(engine, json, seals): what an engine says of itself, stamped with the server's time. Returns how many have lately, and for
-- whom wants to know how often engines were asked to seal their journals.
local function status(keys, args)
  local key, alive = keys[1] .. 'engines', keys[1] .. 'alive'
  local now, live = now_ms(), 0
  redis.call('HSET', key, args[1], now .. '|' .. args[2])
  redis.call('HSET', alive, args[1], now)
  local seen = redis.call('HGETALL', alive)
  for i = 1, #seen, 2 do
    local age = now - number(seen[i + 1])
    if math.abs(age) < 10000 then live = live + 1 end  -- what it said in the future was said before the clock went back
    if math.abs(age) > 86400000 then
      redis.call('HDEL', alive, seen[i])
      redis.call('HDEL', key, seen[i])
    end
  end
  if not args[3] then return live end
  return {live, number(redis.call('GET', keys[1] .. 'seals'))}
end

-- seal(): engines are asked to seal their journals, and hear of it with their next status.
local function seal(keys)
  return redis.call('INCR', keys[1] .. 'seals')
end

-- changed(): a campaign's record changed. INCR, but for a full server too.
local function changed(keys)
  return redis.call('INCR', keys[1] .. 'rev')
end

-- grant(engine, token, wanted, limit, left): how many more of a canary's recipients this engine may try; all engines together the
-- limit; and 1 when that is given out and no engine that has spoken lately has anything left of it. Asked again with the same
-- token, because the reply was lost, it is the same grant.
local function grant(keys, args)
  local key, engine, token = keys[1] .. 'canary', args[1], args[2]
  local have = redis.call('HMGET', key, 'given', 'e:' .. engine)
  local before, amount = string.match(have[2] or '', '^([^|]*)|(%d+)$')
  if before == token then return {tonumber(amount), 0} end
  local given = number(have[1])
  amount = math.max(0, math.min(tonumber(args[3]), tonumber(args[4]) - given))
  local now, out = now_ms(), given + amount >= tonumber(args[4])
  redis.call('HSET', key, 'given', given + amount, 'e:' .. engine, token .. '|' .. amount, 'l:' .. engine,
             (tonumber(args[5]) + amount) .. '|' .. now)
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'l:' then
      local left, at = string.match(all[i + 1], '^(%d+)|(%d+)$')
      if tonumber(left) > 0 and math.abs(now - tonumber(at)) < 5000 then out = false end
    end
  end
  return {amount, out and 1 or 0}
end

redis.register_function{function_name = 'volley1_grant', flags = {'allow-oom'}, callback = grant}
redis.register_function{function_name = 'volley1_changed', flags = {'allow-oom'}, callback = changed}
redis.register_function{function_name = 'volley1_meta', flags = {'allow-oom'}, callback = meta}
redis.register_function{function_name = 'volley1_create', callback = create}
redis.register_function{function_name = 'volley1_put', flags = {'allow-oom'}, callback = put}
redis.register_function{function_name = 'volley1_update', callback = update}
redis.register_function{function_name = 'volley1_erase', flags = {'allow-oom'}, callback = erase}
redis.register_function{function_name = 'volley1_suppress', callback = suppress}
redis.register_function{function_name = 'volley1_seal', flags = {'allow-oom'}, callback = seal}
redis.register_function{function_name = 'volley1_status', flags = {'allow-oom'}, callback = status}
