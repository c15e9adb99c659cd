-- Which of the locks have another version than the one that is known of them: their places in KEYS.
local found = {}
for place, key in ipairs(KEYS) do
  if redis.call('HGET', key, 'version') ~= ARGV[place] then found[#found + 1] = place end
end
return found
