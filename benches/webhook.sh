#!/usr/bin/env bash
# Compares the webhook with a minimal server built from the same crates, and optionally with the Pod
# Security webhook of Kubernetes. The minimal server sends a constant response (`bare`), or a
# response with the uid of the review (`bare-uid`).
#
#   benches/webhook.sh [SECONDS] [pod-security]
#
# The servers are measured in turn, so that other load on the machine affects all of them. Needs
# wrk. The first columns are the size of the review, the number of connections and the server. The
# other columns are the requests per second, the median, 99th and 99.9th percentile of the response
# times in milliseconds, the failures, and the resident memory in MiB after the run.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-5}"
command -v wrk > /dev/null || { echo 'wrk is not installed'; exit 2; }
cargo build --release --quiet --bin volcheck --example bare
work="$(mktemp -d)"
servers=()
# SIGKILL, because an API server whose etcd has stopped ignores SIGTERM.
trap 'kill -KILL "${servers[@]}" 2> /dev/null || true; wait 2> /dev/null; rm -rf "$work"' EXIT

target/release/examples/bare "$work"
target/release/volcheck certs "$work/certs" 2> /dev/null
pair=("$work/certs/tls.crt" "$work/certs/tls.key")
target/release/volcheck serve --listen 127.0.0.1:11250 --admin-listen 127.0.0.1:11251 --log-level error \
    --tls-cert "${pair[0]}" --tls-key "${pair[1]}" &
servers+=($!)
target/release/examples/bare 127.0.0.1:11252 "${pair[@]}" &
servers+=($!)
names=(volcheck bare bare-uid)
endpoints=(11250/validate 11252/validate 11252/uid)
pids=("${servers[@]}" "${servers[1]}")
if [ "${2:-}" = pod-security ]; then
    . benches/webhook/pod-security.sh
    names+=(pod-security)
    endpoints+=(11253/validate)
    pids+=("$peer")
fi
sleep 1

printf '%-7s %-12s %-13s %10s %8s %8s %8s %9s %8s\n' size connections server req/s p50 p99 p99.9 failures MiB
for size in 5k 60k 1400k; do
    for connections in 1 8 64; do
        for index in "${!names[@]}"; do
            threads=$((connections < 2 ? 1 : 2))
            result="$(REVIEW="$work/$size.json" wrk --threads "$threads" --connections "$connections" --duration "${seconds}s" \
                --timeout 10s --script benches/webhook/ask.lua "https://127.0.0.1:${endpoints[index]}" | grep '^result')"
            read -r _ rate p50 p99 p999 failures <<< "$result"
            memory="$(awk '/VmRSS/ { print int($2 / 1024) }' "/proc/${pids[index]}/status")"
            printf '%-7s %-12s %-13s %10s %8s %8s %8s %9s %8s\n' "$size" "$connections" "${names[index]}" "$rate" "$p50" \
                "$p99" "$p999" "$failures" "$memory"
        done
    done
done
