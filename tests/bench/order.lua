-- Each request places an order with its own idempotency key.
local thread_counter = 0
function setup(thread)
  thread:set("id", thread_counter)
  thread_counter = thread_counter + 1
end

function init()
  count = 0
  run = string.format("%x-%x-", os.time(), id)
  wrk.method = "POST"
end

function request()
  count = count + 1
  local headers = { ["Content-Type"] = "application/json", ["Idempotency-Key"] = run .. count }
  return wrk.format("POST", nil, headers, '{"currency":"EUR","amount":"0.01"}')
end
