-- wrk: GET requests of a plan, at random by their weights; those of equal weights as a deck that is shuffled anew when it is
-- through. Arguments: the plan's file (see plan.ts), the seed.
-- No response function: it would cost more than the request.

local threads = {}
local requests, sums, statuses, sizes = {}, {}, {}, {}
local total = 0
local weights = {}
local deck, dealt = nil, 0

-- Of all requests made: the bodies' bytes, and how many are to be answered with a status above 399. Global, for done.
expected_bytes, expected_failures = 0, 0

function setup(thread)
  threads[#threads + 1] = thread
end

local function add(line)
  local fields = {}
  for field in line:gmatch("[^\t]+") do
    fields[#fields + 1] = field
  end
  local headers = {}
  for at = 5, #fields do
    local name, value = fields[at]:match("^(.-): (.*)$")
    headers[name] = value
  end
  weights[#weights + 1] = tonumber(fields[1])
  total = total + weights[#weights]
  sums[#sums + 1] = total
  statuses[#statuses + 1] = tonumber(fields[2])
  sizes[#sizes + 1] = tonumber(fields[3])
  requests[#requests + 1] = wrk.format("GET", fields[4], headers)
end

function init(args)
  math.randomseed(tonumber(args[2]))
  for line in io.lines(args[1]) do
    add(line)
  end
  deck = {}
  for at = 1, #weights do
    if weights[at] ~= weights[1] then
      deck = nil
      break
    end
    deck[at] = at
  end
end

local function deal()
  if dealt == #deck then dealt = 0 end
  dealt = dealt + 1
  local other = math.random(dealt, #deck)
  deck[dealt], deck[other] = deck[other], deck[dealt]
  return deck[dealt]
end

local function pick()
  local wanted = math.random() * total
  local low, high = 1, #sums
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sums[middle] > wanted then high = middle else low = middle + 1 end
  end
  return low
end

function request()
  local low = deck and deal() or pick()
  expected_bytes = expected_bytes + sizes[low]
  if statuses[low] > 399 then expected_failures = expected_failures + 1 end
  return requests[low]
end

-- os.clock is the processor time of the whole process.
function done(summary, latency, _)
  local errors = summary.errors
  local bytes, failures = 0, 0
  for _, thread in ipairs(threads) do
    bytes = bytes + thread:get("expected_bytes")
    failures = failures + thread:get("expected_failures")
  end
  print(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"bytes":%.0f,"p50":%d,"p99":%d,"p999":%d,"cpu":%f,' ..
      '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,"expectedBytes":%.0f,"expectedFailures":%.0f}',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), os.clock(),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout, bytes, failures))
end
