#!/usr/bin/env bash
# The webhook beside a bare server of the same crates, which reads the same reviews and answers a constant; beside the
# same one when it answers each review's uid, as it must; and beside the Pod Security webhook of Kubernetes, where that is
# asked for.
#
#   benches/webhook.sh [SECONDS] [pod-security]
#
# Each in turn, so that what else the machine does hits all; needs wrk. Figures: requests per second, milliseconds at the
# median, 99 % and 99.9 %, failures, and the resident memory afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-5}"
command -v wrk > /dev/null || { echo 'absent: wrk, which asks'; exit 2; }
cargo build --release --quiet --bin volcheck --example bare
work="$(mktemp -d)"
servers=()
# An API server that has lost its etcd doesn't end otherwise.
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
ends=(11250/validate 11252/validate 11252/uid)
ids=("${servers[@]}" "${servers[1]}")
if [ "${2:-}" = pod-security ]; then
    . benches/webhook/pod-security.sh
    names+=(pod-security)
    ends+=(11253/validate)
    ids+=("$peer")
fi
sleep 1

printf '%-7s %-12s %-13s %10s %8s %8s %8s %9s %8s\n' size connections server req/s p50 p99 p99.9 failures MiB
for size in 5k 60k 1400k; do
    for connections in 1 8 64; do
        for at in "${!names[@]}"; do
            threads=$((connections < 2 ? 1 : 2))
            figures="$(REVIEW="$work/$size.json" wrk --threads "$threads" --connections "$connections" --duration "${seconds}s" \
                --timeout 10s --script benches/webhook/ask.lua "https://127.0.0.1:${ends[at]}" | grep '^figures')"
            read -r _ rate p50 p99 p999 failures <<< "$figures"
            memory="$(awk '/VmRSS/ { print int($2 / 1024) }' "/proc/${ids[at]}/status")"
            printf '%-7s %-12s %-13s %10s %8s %8s %8s %9s %8s\n' "$size" "$connections" "${names[at]}" "$rate" "$p50" \
                "$p99" "$p999" "$failures" "$memory"
        done
    done
done
