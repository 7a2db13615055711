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

check 'helm lint'
helm lint --strict charts/volcheck > "$work/lint" || { cat "$work/lint"; fail 'helm lint'; }

venv pyyaml==6.0.4
check 'each value, and conflicting values'
tests/chart.py

check "the chart passes volcheck's rules"
for mode in self cert-manager; do
    "$VOLCHECK" lint --no-policy --profile restricted --fail-on warning --helm charts/volcheck -f <(
        printf 'certs: { mode: %s }\nresourceQuota: true\nnetworkPolicy: { enabled: true }\nwebhook: { adviseKubeSystem: true }\nevents: { enabled: true }\n' "$mode")
done

check 'the values files of distributions, and the commands in their documentation'
template=(helm template volcheck charts/volcheck --namespace volcheck)
for values in examples/values/*.yaml; do
    grep -qF "(../../$values)" docs/distributions/README.md || fail "docs/distributions/README.md does not link to $values"
    "${template[@]}" -f "$values" > "$work/distribution.yaml"
    "$VOLCHECK" lint --no-policy --profile restricted --fail-on warning "$work/distribution.yaml" > "$work/lint" ||
        { cat "$work/lint"; fail "$values"; }
done
"${template[@]}" -f examples/values/openshift.yaml > "$work/distribution.yaml"
if grep -E 'runAsUser|runAsGroup|fsGroup' "$work/distribution.yaml"; then fail 'OpenShift rejects fixed IDs'; fi
printf 'image: { repository: registry.example/volcheck }\nmode: warn\n' > "$work/values.yaml"
printf 'policy:\n  version: 1\n  extends: [node-agents/node-exporter]\n' > "$work/policy.yaml"
for page in docs/distributions/*.md; do
    # Joins continued lines. Each command must render with the values files that it names.
    sed -e :a -e '/\\$/{N;s/\\\n *//;ta' -e '}' "$page" |
        sed -n "s/^ *helm upgrade --install/helm template/; s#-f \(values\|policy\).yaml#-f $work/\1.yaml#g; /^helm template/p" > "$work/commands"
    [ "$page" = docs/distributions/README.md ] || grep -qF -- '-f examples/values/' "$work/commands" ||
        fail "$page does not install the chart with a values file"
    while read -r command; do
        bash -euc "$command" > /dev/null || fail "$page: $command"
    done < "$work/commands"
done
# The examples of values in these pages.
cat docs/distributions/*.md | awk -v directory="$work" '
    /^```/ { out = ""; begins = $0 == "```yaml"; next }
    begins { if (/^(policy|affinity|image|webhook|hostNetwork):/) out = directory "/example-" (++count) ".yaml"; begins = 0 }
    out { print > out }'
ls "$work"/example-*.yaml > /dev/null
for example in "$work"/example-*.yaml; do
    "${template[@]}" -f "$example" --show-only templates/configmap.yaml | sed -n '/volcheck.yaml: |/,/^  [^ ]/s/^    //p' > "$work/policy.yaml"
    "$VOLCHECK" policy check "$work/policy.yaml"
done
grep -oh 'node-agents/[a-z0-9/-]*' docs/distributions/*.md examples/values/*.yaml | sort -u |
    sed -e '1i version: 1\nextends:' -e 's/^/  - /' > "$work/packs.yaml"
"$VOLCHECK" policy check "$work/packs.yaml"
# Without the pack in this values file, mode `deny` would stop the default storage class of k3s.
cat > "$work/volume.yaml" << 'END'
apiVersion: v1
kind: PersistentVolume
metadata: { name: pvc-0, annotations: { pv.kubernetes.io/provisioned-by: rancher.io/local-path } }
spec:
  accessModes: [ReadWriteOnce]
  capacity: { storage: 1Gi }
  claimRef: { namespace: shop, name: data, uid: 5f1c }
  local: { path: /var/lib/rancher/k3s/storage/pvc-0_shop_data }
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{ key: kubernetes.io/hostname, operator: In, values: [node] }]
  persistentVolumeReclaimPolicy: Delete
  storageClassName: local-path
END
"${template[@]}" -f examples/values/k3s.yaml --show-only templates/configmap.yaml |
    sed -n '/volcheck.yaml: |/,/^  [^ ]/s/^    //p' > "$work/k3s.yaml"
if "$VOLCHECK" lint --no-policy "$work/volume.yaml" > /dev/null; then fail 'the volume has no error without a policy'; fi
"$VOLCHECK" lint --policy "$work/k3s.yaml" "$work/volume.yaml"

check 'charts/plain is up to date'
plain() {
    local mode="$1"; shift
    helm template volcheck charts/volcheck --namespace namespace-of-volcheck --no-hooks --skip-schema-validation \
        -f charts/plain/placeholders.yaml --set certs.mode="$mode" --set installCheck.enabled=false "$@" > "$work/rendered.yaml"
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
    extra=(--set 'certs.duration=,certs.renewBefore=')
    case "$mode" in
        self) extra+=(--set certs.secretName=volcheck-tls) ;;
        cert-manager) extra=() ;;
        secret) extra+=(--set 'certs.caBundle=<certs.caBundle>') ;;
    esac
    plain "$mode" "${extra[@]}" > "$work/plain.yaml"
    [ -z "${VOLCHECK_BLESS:-}" ] || cp "$work/plain.yaml" "charts/plain/$mode.yaml"
    diff -u "charts/plain/$mode.yaml" "$work/plain.yaml" ||
        fail "charts/plain is out of date: run VOLCHECK_BLESS=1 tests/chart.sh and rebuild volcheck"
done
"$VOLCHECK" manifest --image registry.example/volcheck:0.1.0 | "$VOLCHECK" lint --no-policy --profile restricted --fail-on warning -

check 'volcheck manifest prints the objects of the chart'
"$VOLCHECK" certs "$work/certs" 2> /dev/null
python3 tests/manifest.py "$VOLCHECK" "$work/certs/ca.crt"

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
    # The installation check has a Role in the namespace of the probing Pod.
    is_check = metadata["name"] == "volcheck-check" and obj["kind"].startswith("Role")
    assert metadata.get("namespace", "5678") == ("default" if is_check else "5678"), metadata
    if obj["kind"] == "ConfigMap":
        pathlib.Path(sys.argv[2]).write_text(obj["data"]["volcheck.yaml"])
END
[ "$("$VOLCHECK" policy show --policy "$work/flat.yaml" | sed -n '/^modes:/,/^[^ m]/p' | grep '^ ')" = \
    "$(printf "  '*': \"off\"\n  audited: audit\n  \"no\": \"off\"\n  shop: \"off\"")" ] || fail 'the subchart renders different modes'
echo 'chart: all checks passed'
