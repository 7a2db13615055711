-- Sends the same review repeatedly and prints the results on one line.
local file = io.open(os.getenv("REVIEW"), "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format("result %.0f %.2f %.2f %.2f %d\n", summary.requests / (summary.duration / 1e6),
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
