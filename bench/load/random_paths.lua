-- wrk: GET requests for random ones of the paths in a file. Arguments: the file, the seed.
-- No response function: it would cost more than the request.

local requests = {}

function init(args)
  math.randomseed(tonumber(args[2]))
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
end

function request()
  return requests[math.random(#requests)]
end

-- os.clock is the processor time of the whole process.
function done(summary, latency, _)
  local errors = summary.errors
  print(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"bytes":%d,"p50":%d,"p99":%d,"cpu":%f,' ..
      '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99), os.clock(),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
