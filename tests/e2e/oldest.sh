#!/usr/bin/env bash
# Checks that the oldest API server that the chart supports accepts the rendered chart and the plain
# manifest.
#
#     tests/e2e/oldest.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/delivery/lib.sh
. tests/e2e/api-server.sh
go_tool helm helm.sh/helm/v4/cmd/helm v4.3.1
programs="$(tests/e2e/programs.sh control-plane)"
oldest="$(tests/e2e/programs.sh oldest)"
crds="$(tests/e2e/programs.sh cert-manager)/crds"
version="$("$oldest/kube-apiserver" --version)"
supported="$(sed -n 's/^kubeVersion: ">=\([0-9]*\.[0-9]*\).*/\1/p' charts/volcheck/Chart.yaml)"
case "$version" in
    "Kubernetes v$supported."*) ;;
    *) fail "the chart supports $supported, but the API server is $version" ;;
esac

work="$(mktemp -d)"
trap 'kill $(jobs -p) 2> /dev/null || true; wait; rm -rf "$work"' EXIT
api_server "$programs/etcd" "$oldest/kube-apiserver" "$work" 12379 16443
kubectl=("$programs/kubectl" --server=https://127.0.0.1:16443 --certificate-authority="$work/pki/apiserver.crt" --token=admin-token
    --tls-server-name=kubernetes)
export KUBECONFIG=/dev/null HOME="$work"
wait_ready "$work" "${kubectl[@]}" || { "${kubectl[@]}" get --raw /readyz?verbose || true; fail "the API server is not ready"; }
"${kubectl[@]}" create namespace volcheck > /dev/null
# There is no controller manager to create the service account.
"${kubectl[@]}" create serviceaccount default --namespace volcheck > /dev/null
# The API server creates its priority classes shortly after it becomes ready.
for ((tries = 0; tries < 100; tries++)); do
    "${kubectl[@]}" get priorityclass system-cluster-critical > /dev/null 2>&1 && break
    sleep 0.1
done

"$VOLCHECK" certs "$work/certs" 2> /dev/null
accept() {
    "${kubectl[@]}" apply --dry-run=server -f - > "$work/out" 2>&1 || { cat "$work/out"; fail "$version rejects $1"; }
}
chart() { helm template volcheck charts/volcheck --namespace volcheck --skip-tests --kube-version "$supported" "$@" | accept "the chart with $*"; }
chart
chart --set networkPolicy.enabled=true --set resourceQuota=true
chart --set hostNetwork=true --set port=10443
chart --set certs.mode=secret --set-file "certs.caBundle=$work/certs/ca.crt" --set webhook.adviseKubeSystem=true
"${kubectl[@]}" apply --server-side -f "$crds" > /dev/null
"${kubectl[@]}" wait --for=condition=Established --timeout=60s -f "$crds" > /dev/null
chart --set certs.mode=cert-manager
chart --set certs.mode=cert-manager --set certs.issuerRef.kind=ClusterIssuer --set certs.issuerRef.name=internal
manifest() { "$VOLCHECK" manifest --image registry.example/volcheck:0.1.0 "$@" | accept "the plain manifest with $*"; }
manifest
manifest --ca-bundle "$work/certs/ca.crt" --set resourceQuota=true --set networkPolicy.enabled=true
manifest --set certs.mode=cert-manager --set hostNetwork=true --set port=10443
echo "$version accepts all manifests"
