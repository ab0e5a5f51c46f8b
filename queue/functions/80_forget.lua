-- Forgetting a person: addresses in what stays.

-- blot(camp, index, block, new): a block of final outcomes, which must be as it was seen, becomes another with the same recipients.
-- The list only grows at its end. 1: it is the new one; 0: it is not there (purged).
local function blot(keys, args)
  local key = keys[1] .. 'o:' .. args[1]
  local have = redis.call('LINDEX', key, args[2])
  if have == args[4] then return 1 end
  if have ~= args[3] then return 0 end
  redis.call('LSET', key, args[2], args[4])
  return 1
end

-- blank(number, text): the last reply of a single message, if it is still this one.
local function blank(keys, args)
  local m = keys[1] .. 'm:' .. args[1]
  if redis.call('HGET', m, 'text') ~= args[2] then return 0 end
  redis.call('HSET', m, 'text', '')
  return 1
end

local function fields_of(list)
  local out = {}
  for i = 1, #list, 2 do out[list[i]] = list[i + 1] end
  return out
end

-- Its consumers, and what they have read and not settled; entries that were deleted meanwhile need no settling.
local function copy_group(key, fresh, group, limit)
  local create = {'XGROUP', 'CREATE', fresh, group.name, group['last-delivered-id']}
  if group['entries-read'] then
    create[#create + 1] = 'ENTRIESREAD'
    create[#create + 1] = group['entries-read']
  end
  redis.call(unpack(create))
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', key, group.name)) do
    redis.call('XGROUP', 'CREATECONSUMER', fresh, group.name, fields_of(consumer).name)
  end
  for _, entry in ipairs(redis.call('XPENDING', key, group.name, '-', '+', limit)) do
    redis.call('XCLAIM', fresh, group.name, entry[2], 0, entry[1], 'IDLE', entry[3], 'RETRYCOUNT', entry[4], 'FORCE', 'JUSTID')
  end
end

-- restream(limit): a stream without the bytes of its deleted entries, which lie there until their neighbours are deleted, too. The
-- key is the stream's own. 0: there are none; 1: done; -1: it is longer than the limit.
local function restream(keys, args)
  local key, limit = keys[1], tonumber(args[1])
  if redis.call('EXISTS', key) == 0 then return 0 end
  local info = fields_of(redis.call('XINFO', 'STREAM', key))
  if info.length == 0 or info['max-deleted-entry-id'] == '0-0' then return 0 end
  if info.length > limit then return -1 end
  local groups = {}
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    groups[#groups + 1] = fields_of(group)
    if groups[#groups].pending > limit then return -1 end
  end
  local entries = redis.call('XRANGE', key, '-', '+')
  for _, entry in ipairs(entries) do
    if #entry[2] > 7000 then return -1 end
  end

  local fresh = '{' .. key .. '}:fresh'
  redis.call('UNLINK', fresh)
  for _, entry in ipairs(entries) do redis.call('XADD', fresh, entry[1], unpack(entry[2])) end
  redis.call('XSETID', fresh, info['last-generated-id'], 'ENTRIESADDED', info['entries-added'], 'MAXDELETEDID', '0-0')
  for _, group in ipairs(groups) do copy_group(key, fresh, group, limit) end
  redis.call('RENAME', fresh, key)
  return 1
end

redis.register_function{function_name = 'volley1_blot', flags = {'allow-oom'}, callback = blot}
redis.register_function{function_name = 'volley1_blank', flags = {'allow-oom'}, callback = blank}
redis.register_function{function_name = 'volley1_restream', callback = restream}
