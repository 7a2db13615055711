#!/usr/bin/env bash
# Runs the end-to-end tests: a real control plane in separate Linux namespaces, with the chart
# installed by Helm.
#
#     tests/e2e/run.sh [TEST…]
#
# Requires Linux, root (for network namespaces and `chroot`), Go and `ip`. To test a static binary
# other than the one in the image, set VOLCHECK_IMAGE to its path.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
[ "$(uname -s)" = Linux ] || fail 'the end-to-end tests need Linux'
[ "$(id -u)" = 0 ] || fail 'the end-to-end tests need root for network namespaces and chroot'
for tool in ip unshare chroot go cargo; do
    command -v "$tool" > /dev/null || fail "the end-to-end tests need $tool"
done

VOLCHECK="${VOLCHECK_IMAGE:-target/image/volcheck}"
[ -x "$VOLCHECK" ] || fail "$VOLCHECK does not exist; run image/build.sh"
. tests/delivery/lib.sh
go_tool helm helm.sh/helm/v4/cmd/helm v4.3.1
VOLCHECK_E2E="$(tests/e2e/programs.sh control-plane)"
VOLCHECK_CERT_MANAGER="$(tests/e2e/programs.sh cert-manager)"
operator="$(go mod download -json github.com/prometheus-operator/prometheus-operator@v0.85.0)"
VOLCHECK_PROMETHEUS_CRDS="$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<< "$operator")/example/prometheus-operator-crd"
export VOLCHECK_E2E VOLCHECK_CERT_MANAGER VOLCHECK_PROMETHEUS_CRDS
export PATH="$VOLCHECK_E2E:$PATH"
cargo test --quiet --no-run --test e2e
work="$(mktemp -d)"
# volcheck's user runs a program inside.
chmod 711 "$work"

# Runs tests in a new cluster: run DIRECTORY ARGUMENT…
# At the end, the kernel kills the remaining processes with the PID namespace, and removes the names
# of the network namespaces with the mount namespace.
run() {
    mkdir "$work/$1"
    # shellcheck disable=SC2016 # expanded by the inner shell
    TMPDIR="$work/$1" unshare --net --mount --pid --fork --kill-child --mount-proc sh -c '
        mkdir -p /run/netns && mount -t tmpfs none /run/netns
        exec cargo test --offline --quiet --test e2e -- --test-threads=1 --nocapture "$@"' sh "${@:2}"
}

code=0
if [ $# != 0 ]; then
    run selected "$@" || code=$?
else
    # The attacks are timed, so they have the machine to themselves. The other tests mostly wait, so
    # three clusters run them at the same time. Each takes about as long as the others.
    run attacks attacks:: || code=$?
    groups=('apiserver:: registration::' 'cert_manager:: self_signed::')
    others=(--skip attacks::)
    processes=()
    for group in "${groups[@]}"; do
        read -ra modules <<< "$group"
        run "${modules[0]%::}" "${modules[@]}" > "$work/${modules[0]%::}.log" 2>&1 &
        processes+=($!)
        for module in "${modules[@]}"; do others+=(--skip "$module"); done
    done
    run others "${others[@]}" || code=$?
    for process in "${processes[@]}"; do wait "$process" || code=$?; done
    cat "$work"/*.log
fi
if [ "$code" = 0 ]; then rm -rf "$work"; else echo "the logs are in $work" >&2; fi
exit "$code"
