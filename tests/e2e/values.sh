#!/usr/bin/env bash
# Checks that the oldest API server that the chart supports and the newest one accept the objects of
# each case in tests/chart, and that Pod Security admission agrees with the case about the level
# `restricted`.
#
#     tests/e2e/values.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/delivery/lib.sh
. tests/e2e/api-server.sh
go_tool helm helm.sh/helm/v4/cmd/helm v4.3.1
venv pyyaml==6.0.4
programs="$(tests/e2e/programs.sh control-plane)"
oldest="$(tests/e2e/programs.sh oldest)"
operator="$(go mod download -json github.com/prometheus-operator/prometheus-operator@v0.85.0)"
operator="$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<< "$operator")/example/prometheus-operator-crd"
crds=("$(tests/e2e/programs.sh cert-manager)/crds")
for name in podmonitors prometheusrules servicemonitors; do
    crds+=("$operator/monitoring.coreos.com_$name.yaml")
done

work="$(mktemp -d)"
trap 'kill $(jobs -p) 2> /dev/null || true; wait; rm -rf "$work"' EXIT
export KUBECONFIG=/dev/null HOME="$work"
tests/chart.py --write "$work/cases"

# apply FILE: creates the objects in a server-side dry run. The output contains the warnings.
apply() {
    "${kubectl[@]}" apply --dry-run=server --validate=strict -f "$1" > "$work/out" 2>&1 ||
        { cat "$work/out"; fail "$version rejects ${1##*/}"; }
}

for server in "$oldest" "$programs"; do
    version="$("$server/kube-apiserver" --version)"
    dir="$work/$version"
    mkdir "$dir"
    api_server "$programs/etcd" "$server/kube-apiserver" "$dir" 12379 16443
    kubectl=("$programs/kubectl" --server=https://127.0.0.1:16443 --certificate-authority="$dir/pki/apiserver.crt"
        --token=admin-token --tls-server-name=kubernetes)
    wait_ready "$dir" "${kubectl[@]}" || fail "$version is not ready"
    values_of() { sed -n "s/^ *$1: //p" "$work"/cases/*/*.yaml | tr -d "\"'" | sort -u; }
    for namespace in volcheck $(values_of namespace); do
        "${kubectl[@]}" get namespace "$namespace" > /dev/null 2>&1 || "${kubectl[@]}" create namespace "$namespace" > /dev/null
        # There is no controller manager to create the default account, and a dry run creates none.
        for account in default $(values_of serviceAccountName); do
            "${kubectl[@]}" get serviceaccount "$account" -n "$namespace" > /dev/null 2>&1 ||
                "${kubectl[@]}" create serviceaccount "$account" -n "$namespace" > /dev/null
        done
    done
    # Pods, unlike Deployments, need existing classes.
    for class in $(values_of priorityClassName | grep -v '^system-'); do
        "${kubectl[@]}" create priorityclass "$class" --value=1 > /dev/null
    done
    for class in $(values_of runtimeClassName); do
        printf 'apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: { name: %s }\nhandler: runc\n' "$class" |
            "${kubectl[@]}" apply -f - > /dev/null
    done
    "${kubectl[@]}" label namespace volcheck pod-security.kubernetes.io/warn=restricted > /dev/null
    for crd in "${crds[@]}"; do
        "${kubectl[@]}" apply --server-side -f "$crd" > /dev/null
        "${kubectl[@]}" wait --for=condition=Established --timeout=60s -f "$crd" > /dev/null
    done
    for file in "$work"/cases/restricted/*.yaml; do
        apply "$file"
        if grep 'would violate PodSecurity' "$work/out"; then fail "${file##*/} violates the Pod Security level restricted"; fi
    done
    for file in "$work"/cases/privileged/*.yaml; do
        apply "$file"
        grep -q 'would violate PodSecurity' "$work/out" || fail "${file##*/} does not violate the Pod Security level restricted"
    done
    kill "${started[@]}"
    wait "${started[@]}" || true
    echo "$version accepts the objects of all cases"
done
