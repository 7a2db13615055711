#!/usr/bin/env bash
# Whole programs on one tree, side by side: volcheck, ripgrep for one word (near what reading costs), and
# kubeconform parsing without validating anything, which flatters it. A program that isn't there is named.
#
#   benches/peers.sh TREE
set -euo pipefail
tree="${1:?a folder of manifests}"
program="${VOLCHECK:-volcheck}"
commands=()
add() {
    if command -v "$1" > /dev/null; then commands+=("$2"); else echo "absent: $1"; fi
}
add "$program" "$program lint $tree"
add rg "rg -c hostPath $tree"
add kubeconform "kubeconform -ignore-missing-schemas -schema-location /nonexistent/x.json $tree"
command -v hyperfine > /dev/null || { echo 'absent: hyperfine, which measures'; exit 2; }
hyperfine -N -i --warmup 3 --runs 30 "${commands[@]}"
