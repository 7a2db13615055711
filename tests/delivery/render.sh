#!/usr/bin/env bash
# shellcheck disable=SC2016 # the backticks are part of the report
# Tests `--helm` and `--kustomize` with the real programs: locations name the template, and failures
# are reported.
set -euo pipefail
cd "$(dirname "$0")/../.."
root="$PWD"
. tests/delivery/lib.sh

go_tool helm helm.sh/helm/v4/cmd/helm v4.3.1
go_tool kustomize sigs.k8s.io/kustomize/kustomize/v5 v5.7.1

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"

# A chart with a loop, a value and a subchart. Its name differs from that of its directory.
mkdir -p charts/front/templates charts/front/charts/cache/templates
printf 'apiVersion: v2\nname: shop\nversion: 0.1.0\n' > charts/front/Chart.yaml
printf 'apiVersion: v2\nname: cache\nversion: 0.1.0\n' > charts/front/charts/cache/Chart.yaml
printf 'logs: /var/log\nagents: [a]\n' > charts/front/values.yaml
printf 'logs: /etc/kubernetes\nagents: [a, b]\n' > prod.yaml
cat > charts/front/templates/agent.yaml <<'END'
{{- range .Values.agents }}
---
apiVersion: v1
kind: Pod
metadata:
  name: agent-{{ . }}
  namespace: {{ $.Release.Namespace }}
spec:
  containers:
  - name: agent
    image: agent:1
    volumeMounts:
    - name: logs
      mountPath: /logs
      readOnly: true
  volumes:
  - name: logs
    hostPath:
      path: {{ $.Values.logs }}
      type: Directory
{{- end }}
END
cat > charts/front/charts/cache/templates/cache.yaml <<'END'
apiVersion: v1
kind: Pod
metadata:
  name: cache
spec:
  containers:
  - name: cache
    image: cache:1
    volumeMounts:
    - name: data
      mountPath: /data
  volumes:
  - name: data
    hostPath:
      path: {{ if semverCompare ">=1.30" .Capabilities.KubeVersion.Version }}/srv/cache{{ else }}/root{{ end }}
      type: Directory
END

lint() {
    code=0
    "$VOLCHECK" lint "$@" > out.txt 2> err.txt || code=$?
}
output_contains() { grep -qF -- "$1" out.txt || { cat out.txt err.txt; fail "not in the output: $1"; }; }
exits_with() { [ "$code" = "$1" ] || { cat out.txt err.txt; fail "expected exit code $1, got $code"; }; }

check 'a chart with values, a namespace and a Kubernetes version'
lint --helm charts/front --select sensitive-host-path --format concise
exits_with 0
lint --helm charts/front -f prod.yaml --namespace shop --select sensitive-host-path
exits_with 1
output_contains 'charts/front/templates/agent.yaml (rendered):'
output_contains 'Pod shop/agent-b'
cp out.txt rendered.txt
lint --helm charts/front --select writable-host-path --kube-version 1.34 --format concise
output_contains 'charts/front/charts/cache/templates/cache.yaml:10:5: error[writable-host-path]'
output_contains '`/srv/cache`'
lint --helm charts/front --select writable-host-path --kube-version 1.29 --format concise
output_contains '`/root`'

check 'line numbers refer to the output of helm'
line="$(grep -m 1 -o '(rendered):[0-9]*' rendered.txt | grep -o '[0-9]*$')"
helm template --include-crds --namespace shop -f prod.yaml charts/front 2> /dev/null | sed -n "${line}p" | grep -qF 'path: /etc/kubernetes' \
    || fail "line $line of the output of helm does not contain the finding"

check 'failures of helm'
printf '{{ fail "no" }}\n' > charts/front/templates/broken.yaml
lint --helm charts/front
exits_with 2
output_contains '`helm` failed'
rm charts/front/templates/broken.yaml
lint --helm nosuch
exits_with 2

check 'a chart archive'
helm package charts/front > /dev/null
lint --helm shop-0.1.0.tgz -f prod.yaml --select sensitive-host-path
exits_with 1
output_contains 'shop/templates/agent.yaml (rendered):'

check 'a kustomization'
mkdir -p base overlays/prod
helm template charts/front > base/agent.yaml 2> /dev/null
printf 'resources: [agent.yaml]\n' > base/kustomization.yaml
cat > overlays/prod/kustomization.yaml <<'END'
resources: [../../base]
patches:
- target: {kind: Pod, name: agent-a}
  patch: |-
    - op: replace
      path: /spec/volumes/0/hostPath/path
      value: /root
END
lint --kustomize overlays/prod --select sensitive-host-path
exits_with 1
output_contains 'overlays/prod/kustomization.yaml (rendered):'
output_contains '`/root`'
echo 'resources: [nosuch.yaml]' > base/kustomization.yaml
lint --kustomize overlays/prod
exits_with 2
output_contains '`kustomize` failed'

check 'all charts and kustomizations in a directory'
echo 'resources: [agent.yaml]' > base/kustomization.yaml
lint --render --select sensitive-host-path --set logs=/etc/kubernetes
exits_with 1
output_contains 'charts/front/templates/agent.yaml (rendered):'
output_contains '= template: charts/front/templates/agent.yaml:19: path: {{ $.Values.logs }}'
output_contains 'overlays/prod/kustomization.yaml (rendered):'
printf 'dependencies: [{name: db, version: 1.0.0, repository: "https://charts.example.com"}]\n' >> charts/front/Chart.yaml
lint --render charts
exits_with 2
output_contains 'run `helm dependency build charts/front`'

cd "$root"
check 'lines of templates'
python3 tests/delivery/template_lines.py "$VOLCHECK" > "$work/lines.txt"
python3 tests/delivery/block.py --plain template-lines < "$work/lines.txt"
{ echo '$ volcheck lint --helm charts/front -f prod.yaml --namespace shop --select sensitive-host-path'; cat "$work/rendered.txt"; } \
    | python3 tests/delivery/block.py render
echo 'render: passed'
