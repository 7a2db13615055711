#!/usr/bin/env bash
# Compares the run times of three programs on one directory. Prints the names of missing programs.
#
# - volcheck
# - ripgrep, searching for one word: close to the cost of reading the files
# - kubeconform, without schemas: it only parses the files, which is less work than usual
#
#   benches/peers.sh DIR
set -euo pipefail
dir="${1:?usage: benches/peers.sh DIR}"
program="${VOLCHECK:-volcheck}"
commands=()
add() {
    if command -v "$1" > /dev/null; then commands+=("$2"); else echo "not installed: $1"; fi
}
add "$program" "$program lint $dir"
add rg "rg -c hostPath $dir"
add kubeconform "kubeconform -ignore-missing-schemas -schema-location /nonexistent/x.json $dir"
command -v hyperfine > /dev/null || { echo 'hyperfine is not installed'; exit 2; }
hyperfine -N -i --warmup 3 --runs 30 "${commands[@]}"
