-- The rules of signal and mutex, as in model.py, line for line; tests compare the two step by step.
-- KEYS[1]: the lock. ARGV: the node that asks, its limits and the steps in MessagePack.
-- Arrays are in the order of the types in state.py.
if redis.replicate_commands then redis.replicate_commands() end

local OVER, RELEASE = 'over:', 'release:'
-- Lock
local MODE, FENCE, RELEASED, WAITERS, GRANTS, PENDING, KNOWN = 1, 2, 3, 4, 5, 6, 7
-- Waiter
local W_ID, ASKS, STAYS, W_LEASE, W_NODE, W_AUTO = 1, 2, 3, 4, 5, 6
-- Grant
local ID, G_FENCE, WAITER, NODE, EXPIRES, LEASE, AUTO, TOLD, OF = 1, 2, 3, 4, 5, 6, 7, 8, 9
-- Release
local ORDER, R_EXPIRES, PAYLOAD = 1, 2, 3
-- Limits
local ACK, GRACE, REMEMBER, LINGER, MAX_WAITERS, MAX_PENDING, MAX_BYTES, MAX_IDS, MAX_ENDED = 1, 2, 3, 4, 5, 6, 7, 8, 9

local node = ARGV[1]
local limits = cmsgpack.unpack(ARGV[2])
local steps = cmsgpack.unpack(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local stored = redis.call('HMGET', KEYS[1], 'version', 'state')
local version = tonumber(stored[1] or '0')
local lock = stored[2] and cmsgpack.unpack(stored[2]) or {'', 0, 0, {}, {}, {}, {}}
local dirty = false
local granted_at = {}

local function kept(list, field)
  local found, over = {}, {}
  for _, item in ipairs(list) do
    if item[field] > now then found[#found + 1] = item else over[#over + 1] = item end
  end
  if #over > 0 then dirty = true end
  return found, over
end

local function without(list, item)
  local found = {}
  for _, other in ipairs(list) do
    if other ~= item then found[#found + 1] = other end
  end
  dirty = true
  return found
end

local function first(list, field, value)
  for place, item in ipairs(list) do
    if item[field] == value then return item, place end
  end
  return nil, 0
end

local function put_back(grant)
  local release = grant[OF]
  if release then
    local pending = lock[PENDING]
    local at = #pending + 1
    while at > 1 and pending[at - 1][ORDER] > release[ORDER] do at = at - 1 end
    table.insert(pending, at, release)
  end
end

local function expire()
  local over
  lock[GRANTS], over = kept(lock[GRANTS], EXPIRES)
  for _, grant in ipairs(over) do
    if not (grant[AUTO] and grant[TOLD]) then put_back(grant) end
  end
  lock[PENDING] = kept(lock[PENDING], R_EXPIRES)
  lock[WAITERS] = kept(lock[WAITERS], STAYS)
  for id, till in pairs(lock[KNOWN]) do
    if till <= now then
      lock[KNOWN][id] = nil
      dirty = true
    end
  end
  if lock[MODE] ~= '' and #lock[GRANTS] == 0 and #lock[PENDING] == 0 and #lock[WAITERS] == 0 then
    lock[MODE] = ''
    dirty = true
  end
end

local function dispatch(salt)
  local signal = lock[MODE] == 'signal'
  while #lock[WAITERS] > 0 do
    if signal and #lock[PENDING] == 0 or not signal and #lock[GRANTS] > 0 then return end
    local waiter = table.remove(lock[WAITERS], 1)
    local release = nil
    local claim = waiter[W_LEASE]
    if signal then
      release = table.remove(lock[PENDING], 1)
      claim = limits[ACK]
    elseif waiter[ASKS] <= now then
      claim = math.min(claim, limits[ACK])
    end
    lock[FENCE] = math.max(lock[FENCE] + 1, now)
    local id = string.format('%.0f-%s', lock[FENCE], salt)
    local grant = {
      id, lock[FENCE], waiter[W_ID], waiter[W_NODE], now + claim, waiter[W_LEASE], waiter[W_AUTO], false, release
    }
    table.insert(lock[GRANTS], grant)
    granted_at[waiter[W_NODE]] = true
    dirty = true
  end
end

local function remember(over)
  local count, oldest = 0, nil
  for id, till in pairs(lock[KNOWN]) do
    if string.sub(id, 1, #OVER) == OVER then
      count = count + 1
      if not oldest or till < lock[KNOWN][oldest] or till == lock[KNOWN][oldest] and id < oldest then oldest = id end
    end
  end
  if count >= limits[MAX_ENDED] then lock[KNOWN][oldest] = nil end
  lock[KNOWN][over] = now + limits[REMEMBER]
  dirty = true
end

local function say(status, position, grant)
  local fence = grant and grant[G_FENCE] or lock[FENCE]
  local told = grant and {unpack(grant, 1, OF)} -- the steps behind this one may change it
  return {status, position or 0, lock[MODE], fence, #lock[PENDING], #lock[GRANTS], told}
end

local function stand(waiter)
  local held = first(lock[GRANTS], WAITER, waiter)
  if held then return say('granted', 0, held) end
  local _, place = first(lock[WAITERS], W_ID, waiter)
  return say('pending', place)
end

local perform = {}

function perform.wait(step)
  local _, id, mode, timeout, lease, at, _, auto = unpack(step)
  if lock[MODE] ~= '' and lock[MODE] ~= mode then return say('other_mode') end
  local asks = now + timeout
  dirty = true
  local held = first(lock[GRANTS], WAITER, id)
  if held then
    local own = held[OF] and limits[ACK] or held[LEASE]
    held[EXPIRES] = math.max(held[EXPIRES], now + own)
    held[NODE] = at
    held[TOLD] = held[TOLD] or not held[AUTO]
    return say('granted', 0, held)
  end
  local found = first(lock[WAITERS], W_ID, id)
  if not found then
    if #lock[WAITERS] >= limits[MAX_WAITERS] then return say('full') end
    found = {id, 0, 0, lease, at, auto}
    table.insert(lock[WAITERS], found)
    lock[MODE] = mode
  end
  found[ASKS] = asks
  found[STAYS] = asks + (auto and 0 or limits[GRACE])
  found[W_LEASE] = lease
  found[W_NODE] = at
  return stand(id)
end

function perform.signal(step)
  local _, release, payload, ttl = unpack(step)
  local id = RELEASE .. release
  if lock[KNOWN][id] then return say('duplicate') end
  if lock[MODE] ~= '' and lock[MODE] ~= 'signal' then return say('other_mode') end
  local bytes, ids = #payload, 0
  for _, found in ipairs(lock[PENDING]) do bytes = bytes + #found[PAYLOAD] end
  for _, grant in ipairs(lock[GRANTS]) do
    if grant[OF] then bytes = bytes + #grant[OF][PAYLOAD] end
  end
  for _ in pairs(lock[KNOWN]) do ids = ids + 1 end
  if #lock[PENDING] + #lock[GRANTS] >= limits[MAX_PENDING] or ids >= limits[MAX_IDS] or bytes > limits[MAX_BYTES] then
    return say('full')
  end
  dirty = true
  lock[MODE] = 'signal'
  lock[RELEASED] = lock[RELEASED] + 1
  local expires = now + ttl
  table.insert(lock[PENDING], {lock[RELEASED], expires, payload})
  lock[KNOWN][id] = math.max(expires, now + limits[REMEMBER])
  return say('released')
end

function perform.unlock(step)
  local _, id, fence = unpack(step)
  local over = OVER .. id
  if lock[KNOWN][over] then return say('duplicate') end
  local held = first(lock[GRANTS], ID, id)
  if not held or held[OF] or held[G_FENCE] ~= fence then return say('stale') end
  lock[GRANTS] = without(lock[GRANTS], held)
  remember(over)
  return say('released')
end

function perform.ack(step)
  local over = OVER .. step[2]
  local held = first(lock[GRANTS], ID, step[2])
  if not held then return say(lock[KNOWN][over] and 'duplicate' or 'stale') end
  dirty = true
  if not held[OF] then
    held[TOLD] = true
  elseif held[AUTO] then
    held[TOLD] = true
    held[EXPIRES] = now + limits[ACK]
  else
    lock[GRANTS] = without(lock[GRANTS], held)
    remember(over)
  end
  return say('acked')
end

function perform.renew(step)
  local held = first(lock[GRANTS], ID, step[2])
  if not held then return say('stale') end
  dirty = true
  held[EXPIRES] = now + (step[3] > 0 and step[3] or held[LEASE])
  held[TOLD] = true
  return say('renewed', 0, held)
end

function perform.leave(step)
  local waiter = first(lock[WAITERS], W_ID, step[2])
  if waiter then lock[WAITERS] = without(lock[WAITERS], waiter) end
  local held = first(lock[GRANTS], WAITER, step[2])
  if held then
    lock[GRANTS] = without(lock[GRANTS], held)
    put_back(held)
  end
  return say((waiter or held) and 'left' or 'absent')
end

function perform.detach(step)
  local waiter = first(lock[WAITERS], W_ID, step[2])
  if waiter then
    dirty = true
    waiter[ASKS] = now
    waiter[STAYS] = now + limits[GRACE]
    return say('left')
  end
  local held = first(lock[GRANTS], WAITER, step[2])
  if not held then return say('absent') end
  if not held[OF] and not held[TOLD] then
    dirty = true
    held[EXPIRES] = math.min(held[EXPIRES], now + limits[ACK])
  end
  return say('left')
end

function perform.look()
  return say('seen', #lock[WAITERS], lock[GRANTS][1])
end

local outcomes = {}
for _, step in ipairs(steps) do
  local salt = step[1] == 'wait' and step[7] or step[#step]
  expire()
  dispatch(salt)
  local outcome = perform[step[1]](step)
  dispatch(salt)
  if step[1] == 'wait' and outcome[1] == 'pending' then outcome = stand(step[2]) end
  outcomes[#outcomes + 1] = outcome
end

if dirty then
  local ends = lock[FENCE]
  for _, waiter in ipairs(lock[WAITERS]) do ends = math.max(ends, waiter[STAYS]) end
  for _, till in pairs(lock[KNOWN]) do ends = math.max(ends, till) end
  for _, release in ipairs(lock[PENDING]) do ends = math.max(ends, release[R_EXPIRES]) end
  for _, grant in ipairs(lock[GRANTS]) do
    ends = math.max(ends, grant[EXPIRES], grant[OF] and grant[OF][R_EXPIRES] or 0)
  end
  version = version + 1
  redis.call('HSET', KEYS[1], 'version', string.format('%.0f', version), 'state', cmsgpack.pack(lock))
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.ceil((ends + limits[LINGER]) / 1000)))
end

local due, mine, others = 0, {}, {}
for _, grant in ipairs(lock[GRANTS]) do
  if #lock[WAITERS] > 0 and not (grant[AUTO] and grant[TOLD]) and (due == 0 or grant[EXPIRES] < due) then due = grant[EXPIRES] end
  if grant[NODE] == node then mine[#mine + 1] = grant end
end
for name in pairs(granted_at) do
  if name ~= node then
    others[#others + 1] = name
    redis.call('PUBLISH', string.format('%s:wake:%s', ARGV[4], name), ARGV[5])
  end
end
return cmsgpack.pack({version, now, due, outcomes, mine, others})
