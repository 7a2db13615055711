#!/usr/bin/env bash
# Tests the chart: it rejects invalid values, renders the expected objects, and passes volcheck's
# own rules. Also checks that charts/plain.yaml is up to date. With VOLCHECK_BLESS=1, updates that
# file.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/delivery/lib.sh
go_tool helm helm.sh/helm/v4/cmd/helm v4.3.1

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$VOLCHECK" certs "$work/certs" 2> /dev/null
ca=(--set certs.mode=secret --set-file "certs.caBundle=$work/certs/ca.crt")
render() { helm template volcheck charts/volcheck --namespace volcheck "$@"; }
rejects() {
    local message="$1"; shift
    if render "$@" > /dev/null 2> "$work/err"; then fail "accepted: $*"; fi
    grep -qF -- "$message" "$work/err" || { cat "$work/err"; fail "the error does not contain \`$message\`"; }
}

check 'helm lint'
helm lint --strict charts/volcheck > "$work/lint" || { cat "$work/lint"; fail 'helm lint'; }

check 'invalid values are rejected'
rejects 'certs.mode=secret requires certs.caBundle' --set certs.mode=secret
rejects "at '/mode'" "${ca[@]}" --set mode=enforce
rejects "additional properties 'webhooks'" "${ca[@]}" --set webhooks.failurePolicy=Ignore
rejects "at '/replicas'" "${ca[@]}" --set replicas=0
rejects 'certs.caBundle requires certs.mode=secret' --set certs.caBundle=x
rejects 'clients.names requires clients.caBundle' --set 'clients.names={kube-apiserver}'
rejects "is the kubelet's port" --set hostNetwork=true
rejects 'certs.issuerRef requires certs.mode=cert-manager' --set certs.issuerRef.name=internal
rejects 'port and adminPort must differ' --set port=8081
rejects 'networkPolicy.enabled has no effect' --set hostNetwork=true --set port=10443 --set networkPolicy.enabled=true
rejects 'webhook.excludedNamespaces contains `default`' --set 'webhook.excludedNamespaces={default}'
rejects "at '/installCheck/timeoutSeconds'" "${ca[@]}" --set installCheck.timeoutSeconds=0
rejects "at '/installCheck/namespace'" "${ca[@]}" --set installCheck.namespace=Shop
rejects "at '/events/enabled'" "${ca[@]}" --set events.enabled=sometimes
rejects 'not allowed in kube-system' --set resourceQuota=true --namespace kube-system
rejects 'resourceQuota requires priorityClassName' --set resourceQuota=true --set priorityClassName=
rejects "at '/webhook/message'" --set-string $'webhook.message=a\nb'
rejects 'not a valid Service name' --set-string fullnameOverride=1e5
# Policies that volcheck would reject at startup.
rejects 'rulez' --set policy.rulez.x=error
rejects 'writable-hostpath' --set policy.rules.writable-hostpath=error
rejects '/policy/modes/shop' --set policy.modes.shop=enforce
rejects '/policy/exemptions/0' --set 'policy.exemptions[0].reason=why'
rejects 'is a file' "${ca[@]}" --set 'policy.extends={./more.yaml}'

check "the chart passes volcheck's rules"
for mode in self cert-manager; do
    "$VOLCHECK" lint --no-policy --profile restricted --fail-on warning --helm charts/volcheck -f <(
        printf 'certs: { mode: %s }\nresourceQuota: true\nnetworkPolicy: { enabled: true }\nwebhook: { adviseKubeSystem: true }\n' "$mode")
done

check 'charts/plain.yaml is up to date'
{
    printf '# volcheck, rendered from charts/volcheck by tests/chart.sh.\n'
    printf 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: namespace-of-volcheck\n'
    helm template volcheck charts/volcheck --namespace namespace-of-volcheck --no-hooks \
        --set image.repository=image --set image.digest="sha256:$(printf '0%.0s' $(seq 64))" |
        sed -e '/^ *helm.sh\/chart:/d' -e '/^# Source:/d' -e 's/managed-by: Helm/managed-by: volcheck/' \
            -e 's/image: image@sha256:0*$/image: image-of-volcheck/'
} > "$work/plain.yaml"
[ -z "${VOLCHECK_BLESS:-}" ] || cp "$work/plain.yaml" charts/plain.yaml
diff -u charts/plain.yaml "$work/plain.yaml" || fail 'charts/plain.yaml is out of date: run VOLCHECK_BLESS=1 tests/chart.sh'
"$VOLCHECK" manifest --image registry.example/volcheck:0.1.0 | "$VOLCHECK" lint --no-policy --profile restricted --fail-on warning -

check 'the rendered objects'
render "${ca[@]}" --set mode=deny --set 'policy.extends={node-agents}' --set 'policy.modes.shop=audit' > "$work/secret.yaml"
render "${ca[@]}" --set events.enabled=true --set installCheck.enabled=false > "$work/events.yaml"
render --set certs.mode=cert-manager --set replicas=1 --set 'webhook.message=ask "#platform"' > "$work/cert-manager.yaml"
render --set networkPolicy.enabled=true --set installCheck.podLabels.team=platform --set-file "clients.caBundle=$work/certs/ca.crt" \
    --set 'clients.names={kube-apiserver}' > "$work/self.yaml"
venv pyyaml==6.0.4
python3 tests/chart.py "$work/secret.yaml" "$work/cert-manager.yaml" "$work/self.yaml" "$work/events.yaml" "$work/certs/ca.crt" "$work/volcheck.yaml"
"$VOLCHECK" policy check "$work/volcheck.yaml"

check 'YAML 1.1 booleans, and the chart as a subchart'
mkdir -p "$work/platform/charts"
cp -r charts/volcheck "$work/platform/charts/"
printf 'apiVersion: v2\nname: platform\nversion: 1.0.0\n' > "$work/platform/Chart.yaml"
printf 'version: 1\nmodes: { "no": "off", shop: "off", audited: audit }\n' > "$work/source.yaml"
{
    printf 'volcheck:\n  enabled: true\n  mode: off\n  policy:\n'
    "$VOLCHECK" policy show --flat --policy "$work/source.yaml" | sed 's/^/    /'
} > "$work/values.yaml"
helm template 1234 "$work/platform" --namespace 5678 -f "$work/values.yaml" --set volcheck.fullnameOverride=volcheck \
    > "$work/platform.yaml"
python3 - "$work/platform.yaml" "$work/flat.yaml" << 'END'
import pathlib, sys, yaml
for obj in yaml.safe_load_all(pathlib.Path(sys.argv[1]).read_text()):
    metadata = obj["metadata"]
    assert metadata["labels"]["app.kubernetes.io/instance"] == "1234", metadata
    # The installation check has a Role in `installCheck.namespace`.
    is_check = metadata["name"] == "volcheck-check" and obj["kind"].startswith("Role")
    assert metadata.get("namespace", "5678") == ("default" if is_check else "5678"), metadata
    if obj["kind"] == "ConfigMap":
        pathlib.Path(sys.argv[2]).write_text(obj["data"]["volcheck.yaml"])
END
[ "$("$VOLCHECK" policy show --policy "$work/flat.yaml" | sed -n '/^modes:/,/^[^ m]/p' | grep '^ ')" = \
    "$(printf "  '*': \"off\"\n  audited: audit\n  \"no\": \"off\"\n  shop: \"off\"")" ] || fail 'the subchart renders different modes'
echo 'chart: all checks passed'
