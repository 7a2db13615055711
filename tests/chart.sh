#!/usr/bin/env bash
# The chart: it renders what it should, refuses what it should, and passes volcheck's own rules.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/delivery/lib.sh
go_tool helm helm.sh/helm/v4/cmd/helm v4.3.1

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$VOLCHECK" certs "$work/certs" 2> /dev/null
ca=(--set certs.mode=secret --set-file "certs.caBundle=$work/certs/ca.crt")
chart() { helm template volcheck charts/volcheck --namespace volcheck "$@"; }
refused() {
    local words="$1"; shift
    if chart "$@" > /dev/null 2> "$work/err"; then fail "not refused: $*"; fi
    grep -qF -- "$words" "$work/err" || { cat "$work/err"; fail "refused without \`$words\`"; }
}

check 'helm lint'
helm lint --strict charts/volcheck > "$work/lint" || { cat "$work/lint"; fail 'helm lint'; }

check 'what is refused'
refused 'certs.caBundle is empty' --set certs.mode=secret
refused 'mode' "${ca[@]}" --set mode=enforce
refused 'additional properties' "${ca[@]}" --set webhooks.failurePolicy=Ignore
refused 'replicas' "${ca[@]}" --set replicas=0
refused 'certs.caBundle is for certs.mode=secret' --set certs.caBundle=x
refused 'clients.names is for clients.caBundle' --set 'clients.names={kube-apiserver}'
refused "is the kubelet's" --set hostNetwork=true
refused 'certs.issuerRef is for certs.mode=cert-manager' --set certs.issuerRef.name=internal
refused 'are the same' --set port=8081
refused 'none holds for a Pod' --set hostNetwork=true --set port=10443 --set networkPolicy.enabled=true
refused 'in kube-system' --set resourceQuota=true --namespace kube-system
refused 'no Service can have the name' --set-string fullnameOverride=1e5
# What volcheck could not read when it starts again.
refused 'rulez' --set policy.rulez.x=error
refused 'writable-hostpath' --set policy.rules.writable-hostpath=error
refused '/policy/modes/shop' --set policy.modes.shop=enforce
refused '/policy/exemptions/0' --set 'policy.exemptions[0].reason=why'
refused 'is a file' "${ca[@]}" --set 'policy.extends={./more.yaml}'

check "volcheck's own rules"
for mode in self cert-manager; do
    "$VOLCHECK" lint --no-policy --profile restricted --fail-on warning --helm charts/volcheck -f <(
        printf 'certs: { mode: %s }\nresourceQuota: true\nnetworkPolicy: { enabled: true }\nwebhook: { adviseKubeSystem: true }\n' "$mode")
done

check 'the plain manifest, for those without helm'
{
    printf '# What charts/volcheck renders to; tests/chart.sh writes it, with VOLCHECK_BLESS=1.\n'
    printf 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: namespace-of-volcheck\n'
    helm template volcheck charts/volcheck --namespace namespace-of-volcheck --skip-tests \
        --set image.repository=image --set image.digest="sha256:$(printf '0%.0s' $(seq 64))" |
        sed -e '/^ *helm.sh\/chart:/d' -e '/^# Source:/d' -e 's/managed-by: Helm/managed-by: volcheck/' \
            -e 's/image: image@sha256:0*$/image: image-of-volcheck/'
} > "$work/plain.yaml"
[ -z "${VOLCHECK_BLESS:-}" ] || cp "$work/plain.yaml" charts/plain.yaml
diff -u charts/plain.yaml "$work/plain.yaml" || fail 'charts/plain.yaml is another'
"$VOLCHECK" manifest --image registry.example/volcheck:0.1.0 | "$VOLCHECK" lint --no-policy --profile restricted --fail-on warning -

check 'what is rendered'
chart "${ca[@]}" --set mode=deny --set 'policy.extends={node-agents}' --set 'policy.modes.shop=audit' > "$work/secret.yaml"
chart --set certs.mode=cert-manager --set replicas=1 > "$work/cert-manager.yaml"
chart --set networkPolicy.enabled=true --set-file "clients.caBundle=$work/certs/ca.crt" \
    --set 'clients.names={kube-apiserver}' > "$work/self.yaml"
venv pyyaml==6.0.4
python3 tests/chart.py "$work/secret.yaml" "$work/cert-manager.yaml" "$work/self.yaml" "$work/certs/ca.crt" "$work/volcheck.yaml"
"$VOLCHECK" policy check "$work/volcheck.yaml"

check 'what YAML 1.1 takes for booleans, and a chart of charts'
mkdir -p "$work/platform/charts"
cp -r charts/volcheck "$work/platform/charts/"
printf 'apiVersion: v2\nname: platform\nversion: 1.0.0\n' > "$work/platform/Chart.yaml"
printf 'version: 1\nmodes: { "no": "off", shop: "off", audited: audit }\n' > "$work/own.yaml"
{
    printf 'volcheck:\n  enabled: true\n  mode: off\n  policy:\n'
    "$VOLCHECK" policy show --flat --policy "$work/own.yaml" | sed 's/^/    /'
} > "$work/values.yaml"
helm template 1234 "$work/platform" --namespace 5678 -f "$work/values.yaml" --set volcheck.fullnameOverride=volcheck \
    > "$work/platform.yaml"
python3 - "$work/platform.yaml" "$work/flat.yaml" << 'EOF'
import pathlib, sys, yaml
for one in yaml.safe_load_all(pathlib.Path(sys.argv[1]).read_text()):
    labels = one["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] == "1234", labels
    assert "namespace" not in one["metadata"] or one["metadata"]["namespace"] == "5678", one["metadata"]
    if one["kind"] == "ConfigMap":
        pathlib.Path(sys.argv[2]).write_text(one["data"]["volcheck.yaml"])
EOF
[ "$("$VOLCHECK" policy show --policy "$work/flat.yaml" | sed -n '/^modes:/,/^[^ m]/p' | grep '^ ')" = \
    "$(printf "  '*': \"off\"\n  audited: audit\n  \"no\": \"off\"\n  shop: \"off\"")" ] || fail 'the modes are others'
echo 'chart: all as it should be'
