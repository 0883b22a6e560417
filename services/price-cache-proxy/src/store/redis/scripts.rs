//! The Lua scripts. Redis runs each of them atomically.

/// Replaces the document at `KEYS[1]` by `ARGV[1]`, unless the stored document is newer and current.
///
/// The version of the stored document is its field `newest_as_of`, or `as_of` if it has no such field. The stored
/// document is newer if its version is later than `ARGV[2]`. A stored document whose version is later than `ARGV[5]` is
/// from the future, and is replaced too. The stored document has expired if none of its times is later than `ARGV[8]`.
/// Its times are in the field `ARGV[6]` of the document, and in the same field of each entry of its field `ARGV[7]`.
///
/// Redis deletes the new document after `ARGV[3]` milliseconds. The new document is published on the channel `ARGV[4]`.
/// Returns the document that is stored afterwards.
///
/// Times are compared as text. The text of a `Timestamp` has a fixed width, so the texts have the same order as the
/// times.
///
/// A stored value without a version is replaced, and so is the stored value `ARGV[9]`, which the caller could not
/// parse.
pub(super) const REPLACE_DOCUMENT: &str = "
local function is_later(part)
  return type(part) == 'table' and type(part[ARGV[6]]) == 'string' and part[ARGV[6]] > ARGV[8]
end
local function has_expired(document)
  if is_later(document) then
    return false
  end
  local entries = document[ARGV[7]]
  if type(entries) == 'table' then
    for _, entry in pairs(entries) do
      if is_later(entry) then
        return false
      end
    end
  end
  return true
end
local stored = redis.call('GET', KEYS[1])
if stored and stored ~= ARGV[9] then
  local parsed, document = pcall(cjson.decode, stored)
  if parsed and type(document) == 'table' then
    local version = document.newest_as_of or document.as_of
    if type(version) == 'string' and version > ARGV[2] and version <= ARGV[5] and not has_expired(document) then
      return stored
    end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[1])
return ARGV[1]
";

/// Grants the lease at `KEYS[1]` to `ARGV[1]` for `ARGV[2]` milliseconds, unless another holder has it. Returns the
/// holder and the remaining milliseconds. A key without an expiry was written by another program and is replaced.
pub(super) const ACQUIRE_LEASE: &str = "
local holder, left = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if holder and holder ~= ARGV[1] and left >= 0 then
  return {holder, left}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {ARGV[1], tonumber(ARGV[2])}
";
