-- What puts mail into a partition. None of these is allow-oom: a full Redis refuses them and still drains.

-- import(camp, lt, epoch, where, suppressed, outcomes, {dom, chunk}...): everything of one call, and the position with it. Where
-- is the new mark: rows up to it are in. Or mark|upto|position: of the rows up to mark those of domains whose hash's upper half
-- is below upto are in (0: of all domains, the slice is complete), if the partition is at that position now: mark|slice|upto.
local function import(keys, args)
  local P, camp, lt, epoch = keys[1], args[1], args[2], tonumber(args[3])
  local mark, upto, expected = string.match(args[4], '^(%d+)|(%d+)|(.*)$')
  mark, upto = tonumber(mark or args[4]), number(upto)
  local suppressed, outcomes = tonumber(args[5]), args[6]
  local c = P .. 'c:' .. camp
  local have = redis.call('HMGET', c, 'iepoch', 'mark', 'state', 'accepted', 'suppressed', 'slice', 'upto')
  -- begin() has told every partition, and a purge takes that away again.
  if not have[1] then return redis.error_reply('STALE importer: the campaign is not known here, as after a purge') end
  if number(have[1]) > epoch then
    return redis.error_reply('STALE importer: epoch ' .. epoch .. ', the campaign is at ' .. have[1])
  end
  if is_over(have[3]) then return redis.error_reply('REFUSED the campaign is ' .. have[3]) end
  local slice = number(have[6])
  if mark <= number(have[2]) or (mark == slice and upto > 0 and upto <= number(have[7])) then return 0 end
  local position = (have[2] or '0') .. '|' .. (have[6] or '0') .. '|' .. (have[7] or '0')
  if (slice > 0 and mark ~= slice) or (expected and expected ~= position) then
    return redis.error_reply('GAP the import is at ' .. position .. ', the call goes on from ' .. (expected or 'a mark'))
  end
  local total = suppressed
  for i = 7, #args, 2 do
    if not args[i + 1] or not valid_chunk(args[i + 1]) then
      return redis.error_reply('CORRUPT chunk for ' .. args[i])
    end
    total = total + chunk_count(args[i + 1])
  end
  local state, now = have[3] or 'importing', now_ms()
  for i = 7, #args, 2 do
    if redis.call('RPUSH', list_key(P, lt, camp, args[i]), args[i + 1]) == 1 then
      index(P, lt, camp, args[i], state, now)
    end
  end
  if outcomes ~= '' then redis.call('RPUSH', P .. 'o:' .. camp, outcomes) end
  redis.call('HSET', c, 'iepoch', epoch, 'state', state, 'accepted', number(have[4]) + total, 'suppressed',
             number(have[5]) + suppressed)
  if upto > 0 then
    redis.call('HSET', c, 'slice', mark, 'upto', upto)
  else
    redis.call('HSET', c, 'mark', mark)
    if slice > 0 then redis.call('HDEL', c, 'slice', 'upto') end
  end
  return total
end

-- begin(camp, epoch): calls of older importers are refused from now on. Returns the mark.
local function begin(keys, args)
  local c = keys[1] .. 'c:' .. args[1]
  local have = redis.call('HMGET', c, 'iepoch', 'mark')
  if number(have[1]) > tonumber(args[2]) then return redis.error_reply('STALE importer: a newer one has begun') end
  redis.call('HSET', c, 'iepoch', args[2])
  return number(have[2])
end

-- submit(dom, number, chunk, content): one message, known by its number.
local function submit(keys, args)
  local P, dom, id, chunk, content = keys[1], args[1], args[2], args[3], args[4]
  if not valid_chunk(chunk) then return redis.error_reply('CORRUPT chunk for ' .. dom) end
  local m = P .. 'm:' .. id
  if redis.call('EXISTS', m) == 1 then return 0 end
  local now, lt, c = now_ms(), 't:default', P .. 'c:' .. SINGLES
  redis.call('HSET', m, 'state', 'queued', 'attempts', 0, 'at', now)
  if content ~= '' then redis.call('SET', P .. 'x:' .. id, content) end
  redis.call('HSETNX', c, 'state', 'running')
  redis.call('HINCRBY', c, 'accepted', 1)
  if redis.call('RPUSH', list_key(P, lt, SINGLES, dom), chunk) == 1 then
    index(P, lt, SINGLES, dom, redis.call('HGET', c, 'state'), now)
  end
  return 1
end

redis.register_function{function_name = 'volley1_import', callback = import}
redis.register_function{function_name = 'volley1_begin', flags = {'allow-oom'}, callback = begin}
redis.register_function{function_name = 'volley1_submit', callback = submit}
