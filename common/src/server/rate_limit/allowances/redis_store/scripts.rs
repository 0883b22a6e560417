//! The Lua scripts. Redis runs each of them atomically, and is the clock of all instances.

/// Draws at most `ARGV[2]` requests of the client at `KEYS[1]`, whose limit is `ARGV[1]` requests per minute.
///
/// The value of a client is its use, the time of its last change, and the limit at that time. One request is 60,000,000
/// units of use. The use therefore decreases per microsecond by as many units as the limit has requests per minute.
/// Numbers stay below 2^53, so they are exact.
///
/// If the limit has changed, a use above the new limit is reduced to the new limit.
///
/// `ARGV[4]` is the epoch of the last draw of the instance for this client, or `0` before its first draw.
///
/// If `ARGV[4]` is `0` or equals the epoch at `KEYS[2]`, the use that the instance reports is added: `ARGV[5]`
/// millionths of a request. Several reports can raise the use above the limit, to at most twice the limit. The excess
/// delays later requests.
///
/// If the epochs differ, Redis has lost its data. The use is then raised to the smaller of the limit and the estimate
/// `ARGV[6]`, in millionths of a request. The estimate contains the reported use. A new epoch expires after `ARGV[7]`
/// seconds.
///
/// Returns the number of granted requests, the whole requests that remain, the microseconds until `ARGV[3]` requests
/// are free, the epoch, and the number of instances at `KEYS[3]`.
pub(super) const DRAW: &str = "
local request = 60000000
local limit, requested, chunk = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local epoch = redis.call('GET', KEYS[2])
if not epoch then
  epoch = string.format('%.0f', now)
  redis.call('SET', KEYS[2], epoch, 'EX', ARGV[7])
end
local full, used = limit * request, 0
local stored = redis.call('GET', KEYS[1])
if stored then
  local stored_use, at, stored_limit = string.match(stored, '^(%d+) (%d+) (%d+)$')
  if stored_use then
    used = math.max(0, stored_use - limit * math.max(0, now - at))
    if tonumber(stored_limit) ~= limit then
      used = math.min(used, full)
    end
  end
end
if ARGV[4] == '0' or ARGV[4] == epoch then
  used = math.min(used + ARGV[5] * 60, 2 * full)
else
  used = math.max(used, math.min(ARGV[6] * 60, full))
end
local granted = math.min(requested, math.max(0, math.floor((full - used) / request)))
used = used + granted * request
local free = full - used
local refill = math.ceil(math.max(0, math.min(chunk, limit) * request - free) / limit)
if used > 0 then
  local value = string.format('%.0f %.0f %.0f', used, now, limit)
  redis.call('SET', KEYS[1], value, 'PX', math.ceil(used / limit / 1000))
else
  redis.call('DEL', KEYS[1])
end
local remaining = math.max(0, math.floor(free / request))
return {granted, remaining, refill, tonumber(epoch), redis.call('ZCARD', KEYS[3])}
";

/// Registers the instance `ARGV[1]` at `KEYS[1]` for `ARGV[2]` seconds, and removes the instances whose registrations
/// have expired. Creates the epoch at `KEYS[2]` if there is none, and keeps it for `ARGV[3]` seconds. Returns the
/// number of instances.
pub(super) const REGISTER: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2] * 1000000, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
if redis.call('EXPIRE', KEYS[2], ARGV[3]) == 0 then
  redis.call('SET', KEYS[2], string.format('%.0f', now), 'EX', ARGV[3])
end
return redis.call('ZCARD', KEYS[1])
";
