#!lua name=volley1
-- The queue's functions: one library, loaded from the files of this folder in order of their names.
--
-- Every function gets one key: the prefix of a partition ('volley:{p07}:'), of a campaign ('volley:{c:<id>}:') or of
-- the whole queue ('volley:{g}:'), so no call crosses a hash tag. Keys of a partition, P being its prefix and lt a lane
-- and tenant ('t:default', 'b:default'):
--
--   P own                HASH owner, epoch, expires; n: last lease number; tok, n0: last claim, rtok, rns: last recovery
--   P lt                 SET  of lanes and tenants that ever had something here
--   P <lt>:doms          ZSET domain -> ready at (ms), or BUSY + epoch while its owner works on it
--   P <lt>:dc:<dom>      ZSET campaign -> virtual time, for campaigns that may send
--   P <lt>:q:<camp>:<dom> LIST of chunks
--   P pk:<camp>          SET  of domains of a campaign that may not send (importing, paused)
--   P f:<n>              LIST of one: the chunk in flight under lease n
--   P inf                HASH n -> epoch|lt|camp|dom|recipients left|sequence|reclaims
--   P pg                 HASH n -> numbers already settled
--   P rb                 ZSET bucket|lt|camp|dom -> due (ms);  P r:<the same>  LIST of chunks
--   P dead               HASH n -> as inf: parked chunks, still in f:<n>
--   P why                HASH n -> why it was parked, for those that cannot be read
--   P hd:<camp>          SET  of domains of a campaign with held mail;  P <lt>:h:<camp>:<dom>  LIST of chunks held
--   P kp:<camp>          SET  of 'b|domain', 'e|domain': where bounced and expired recipients of a campaign lie, to be
--                        tried again on demand;  P <lt>:b:<camp>:<dom>, P <lt>:e:<camp>:<dom>  LISTs of chunks
--   P ops                HASH operator's tool -> its last change and what came of it; for an hour
--   P c:<camp>           HASH counters, mark, iepoch, state, rev, weight; slice, upto while a slice of its list is half in
--   P o:<camp>           LIST of packed final outcomes
--   P m:<number>         HASH status of a single message;  P x:<number>  its content when it is large
--
-- Invariant: a non-empty q is in dc (and its domain in doms), or in pk.
-- Rules: validate first, write after; every call does bounded work; every call may be repeated.

local VERSION = '@VERSION@'
local BUSY = 1e15
local SINGLES = '_messages'
local KEEP_SINGLE_SECONDS = 7 * 86400
local RECLAIM_LIMIT = 3

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function number(text)
  return tonumber(text or '0') or 0
end

-- A chunk's header says how many recipients it has (queue/chunk.h).
local function chunk_count(chunk)
  local low, high = string.byte(chunk, 3, 4)
  return low + 256 * high
end

local function valid_chunk(chunk)
  return #chunk > 8 and string.sub(chunk, 1, 2) == 'V1'
end

local function list_key(P, lt, camp, dom)
  return P .. lt .. ':q:' .. camp .. ':' .. dom
end

local function held_key(P, lt, camp, dom)
  return P .. lt .. ':h:' .. camp .. ':' .. dom
end

local function kept_key(P, lt, kind, camp, dom)
  return P .. lt .. ':' .. kind .. ':' .. camp .. ':' .. dom
end

local function keep(P, lt, kind, camp, dom, chunk)
  redis.call('RPUSH', kept_key(P, lt, kind, camp, dom), chunk)
  redis.call('SADD', P .. 'kp:' .. camp, kind .. '|' .. dom)
end

-- A bounded step of dropping what was kept of a campaign; true when more is left.
local function drop_kept(P, lt, camp)
  for _, member in ipairs(redis.call('SPOP', P .. 'kp:' .. camp, 500)) do
    local kind, dom = string.match(member, '^(.)|(.*)$')
    redis.call('UNLINK', kept_key(P, lt, kind, camp, dom))
  end
  return redis.call('EXISTS', P .. 'kp:' .. camp) == 1
end

-- A bounded step of dropping what is held of a campaign; true when more is left.
local function drop_held(P, lt, camp)
  for _, dom in ipairs(redis.call('SPOP', P .. 'hd:' .. camp, 500)) do
    redis.call('UNLINK', held_key(P, lt, camp, dom))
  end
  return redis.call('EXISTS', P .. 'hd:' .. camp) == 1
end

local function pack_lease(m)
  return m.epoch .. '|' .. m.lt .. '|' .. m.camp .. '|' .. m.dom .. '|' .. m.count .. '|' .. m.seq .. '|' ..
         m.reclaims
end

local function unpack_lease(text)
  local epoch, lt, camp, dom, count, seq, reclaims =
    string.match(text, '^(%d+)|([^|]*)|([^|]*)|([^|]*)|(%d+)|(%d+)|(%d+)$')
  return {epoch = tonumber(epoch), lt = lt, camp = camp, dom = dom, count = tonumber(count),
          seq = tonumber(seq), reclaims = tonumber(reclaims)}
end

-- Over for good: what is left of it is dropped when met.
local function is_over(state)
  return state == 'cancelled' or state == 'finished'
end

-- Makes a list that was empty findable: by the scan if its campaign may send, else by the campaign's resume. A newcomer
-- starts at the lowest virtual time present, so it does not get all the past.
local function index(P, lt, camp, dom, state, now)
  if state ~= 'running' then
    redis.call('SADD', P .. 'pk:' .. camp, dom)
    return
  end
  local dc = P .. lt .. ':dc:' .. dom
  if not redis.call('ZSCORE', dc, camp) then
    local first = redis.call('ZRANGE', dc, 0, 0, 'WITHSCORES')
    redis.call('ZADD', dc, first[2] or 0, camp)
  end
  redis.call('SADD', P .. 'lt', lt)
  redis.call('ZADD', P .. lt .. ':doms', 'NX', now, dom)
end

-- The domain may be offered again in in_ms. One with nothing to send needs no entry, unless it must rest.
local function set_ready(P, lt, dom, in_ms, now)
  if in_ms == 0 and redis.call('EXISTS', P .. lt .. ':dc:' .. dom) == 0 then
    redis.call('ZREM', P .. lt .. ':doms', dom)
  else
    redis.call('ZADD', P .. lt .. ':doms', now + in_ms, dom)
  end
end

local function fenced(have, epoch)
  return redis.error_reply('FENCED the partition is at epoch ' .. (have or '0') .. ', the call at ' .. epoch)
end

-- Adds to several fields of a hash with one write.
local function add_all(key, changes)
  local names = {}
  for name, change in pairs(changes) do
    if change ~= 0 then names[#names + 1] = name end
  end
  if #names == 0 then return end
  local have = redis.call('HMGET', key, unpack(names))
  local set = {}
  for i, name in ipairs(names) do
    set[#set + 1] = name
    set[#set + 1] = number(have[i]) + changes[name]
  end
  redis.call('HSET', key, unpack(set))
end

redis.register_function{function_name = 'volley1_version', flags = {'no-writes'},
                        callback = function() return VERSION end}
