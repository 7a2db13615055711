#!/usr/bin/env bash
# shellcheck disable=SC2016 # the back-ticks are those of the report
# `--helm` and `--kustomize` with the real programs: the places name the templates, and nothing fails in silence.
set -euo pipefail
cd "$(dirname "$0")/../.."
root="$PWD"
. tests/delivery/lib.sh

go_tool helm helm.sh/helm/v4/cmd/helm v4.3.1
go_tool kustomize sigs.k8s.io/kustomize/kustomize/v5 v5.7.1

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"

# A chart in a folder of another name than its own, with a loop, a value and a chart within it.
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
says() { grep -qF -- "$1" out.txt || { cat out.txt err.txt; fail "no such words: $1"; }; }
exits() { [ "$code" = "$1" ] || { cat out.txt err.txt; fail "exits $code, not $1"; }; }

check 'a chart, with its values, its namespace and a version of Kubernetes'
lint --helm charts/front --select sensitive-host-path --format concise
exits 0
lint --helm charts/front -f prod.yaml --namespace shop --select sensitive-host-path
exits 1
says 'charts/front/templates/agent.yaml (rendered):'
says 'Pod shop/agent-b'
cp out.txt rendered.txt
lint --helm charts/front --select writable-host-path --kube-version 1.34 --format concise
says 'charts/front/charts/cache/templates/cache.yaml:1:1: error[writable-host-path]'
says '`/srv/cache`'
lint --helm charts/front --select writable-host-path --kube-version 1.29 --format concise
says '`/root`'

check 'the line is the one that helm prints'
line="$(grep -m 1 -o '(rendered):[0-9]*' rendered.txt | grep -o '[0-9]*$')"
helm template --namespace shop -f prod.yaml charts/front 2> /dev/null | sed -n "${line}p" | grep -qF 'path: /etc/kubernetes' \
    || fail "line $line of helm's output is another"

check 'what helm refuses is trouble'
printf '{{ fail "no" }}\n' > charts/front/templates/broken.yaml
lint --helm charts/front
exits 2
says '`helm` failed'
rm charts/front/templates/broken.yaml
lint --helm nosuch
exits 2

check 'an archive'
helm package charts/front > /dev/null
lint --helm shop-0.1.0.tgz -f prod.yaml --select sensitive-host-path
exits 1
says 'shop/templates/agent.yaml (rendered):'

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
exits 1
says 'overlays/prod/kustomization.yaml (rendered):'
says '`/root`'
echo 'resources: [nosuch.yaml]' > base/kustomization.yaml
lint --kustomize overlays/prod
exits 2
says '`kustomize` failed'

cd "$root"
{ echo '$ volcheck lint --helm charts/front -f prod.yaml --namespace shop --select sensitive-host-path'; cat "$work/rendered.txt"; } \
    | python3 tests/delivery/block.py render
echo 'render: all as it should be'
