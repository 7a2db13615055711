#!/usr/bin/env bash
# Tests the chart: it rejects invalid values, renders the expected objects, and passes volcheck's
# own rules. Also checks that charts/plain is up to date, and that `volcheck manifest` prints the
# objects of the chart. With VOLCHECK_BLESS=1, updates charts/plain.
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
rejects 'not allowed in kube-system' --set resourceQuota=true --namespace kube-system
rejects 'resourceQuota requires priorityClassName' --set resourceQuota=true --set priorityClassName=
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

check 'charts/plain is up to date'
venv pyyaml==6.0.4
plain() {
    local mode="$1"; shift
    helm template volcheck charts/volcheck --namespace namespace-of-volcheck --no-hooks --skip-schema-validation \
        -f charts/plain/placeholders.yaml --set certs.mode="$mode" "$@" > "$work/rendered.yaml"
    python3 - "$work/rendered.yaml" << 'END'
import pathlib, sys, yaml
def labels(value):
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if key == "helm.sh/chart":
            del value[key]
        elif key == "app.kubernetes.io/managed-by":
            value[key] = "volcheck"
        elif isinstance(item, (dict, list)):
            labels(item)
    return value
text = lambda dumper, data: dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)
yaml.SafeDumper.add_representer(str, text)
yaml.SafeDumper.ignore_aliases = lambda *_: True
objects = [labels(obj) for obj in yaml.safe_load_all(pathlib.Path(sys.argv[1]).read_text()) if obj]
objects.insert(0, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "namespace-of-volcheck"}})
print("# volcheck, rendered from charts/volcheck by tests/chart.sh.")
print(yaml.safe_dump_all(objects, width=1000, sort_keys=False), end="")
END
}
for mode in self cert-manager secret; do
    extra=()
    [ "$mode" != secret ] || extra=(--set 'certs.caBundle=<certs.caBundle>')
    plain "$mode" "${extra[@]}" > "$work/plain.yaml"
    [ -z "${VOLCHECK_BLESS:-}" ] || cp "$work/plain.yaml" "charts/plain/$mode.yaml"
    diff -u "charts/plain/$mode.yaml" "$work/plain.yaml" ||
        fail "charts/plain is out of date: run VOLCHECK_BLESS=1 tests/chart.sh and rebuild volcheck"
done
"$VOLCHECK" manifest --image registry.example/volcheck:0.1.0 | "$VOLCHECK" lint --no-policy --profile restricted --fail-on warning -

check 'volcheck manifest prints the objects of the chart'
python3 tests/manifest.py "$VOLCHECK" "$work/certs/ca.crt"

check 'the rendered objects'
render "${ca[@]}" --set mode=deny --set 'policy.extends={node-agents}' --set 'policy.modes.shop=audit' > "$work/secret.yaml"
render --set certs.mode=cert-manager --set replicas=1 > "$work/cert-manager.yaml"
render --set networkPolicy.enabled=true --set-file "clients.caBundle=$work/certs/ca.crt" \
    --set 'clients.names={kube-apiserver}' > "$work/self.yaml"
python3 tests/chart.py "$work/secret.yaml" "$work/cert-manager.yaml" "$work/self.yaml" "$work/certs/ca.crt" "$work/volcheck.yaml"
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
    assert metadata.get("namespace", "5678") == "5678", metadata
    if obj["kind"] == "ConfigMap":
        pathlib.Path(sys.argv[2]).write_text(obj["data"]["volcheck.yaml"])
END
[ "$("$VOLCHECK" policy show --policy "$work/flat.yaml" | sed -n '/^modes:/,/^[^ m]/p' | grep '^ ')" = \
    "$(printf "  '*': \"off\"\n  audited: audit\n  \"no\": \"off\"\n  shop: \"off\"")" ] || fail 'the subchart renders different modes'
echo 'chart: all checks passed'
