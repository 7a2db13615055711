#!/usr/bin/env bash
# A replacement that selects a volume by its index changes the wrong volume as soon as a component
# or a patch adds a volume: new list items come first, and replacements run last. The replacement
# does not fail, so the host path of the wrong volume changes silently. Selection by name
# (`[name=logs]`) is not affected.
set -euo pipefail

KUSTOMIZE=v5.7.1

directory="$(mktemp -d)"
trap 'chmod -R u+w "$directory"; rm -rf "$directory"' EXIT
cd "$directory"
GOBIN="$directory/bin" GOPATH="$directory/go" GOFLAGS=-modcacherw \
    go install "sigs.k8s.io/kustomize/kustomize/v5@$KUSTOMIZE"
export PATH="$directory/bin:$PATH"

mkdir time
cat > time/kustomization.yaml <<'YAML'
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- patch: |
    apiVersion: v1
    kind: Pod
    metadata: {name: web}
    spec:
      volumes: [{name: time, hostPath: {path: /etc/localtime}}]
YAML
cat > resources.yaml <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: web, image: nginx}]
  volumes: [{name: logs, hostPath: {path: /unset}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {logs: /var/log/web}
YAML
render() {
    cat > kustomization.yaml <<YAML
resources: [resources.yaml]
components: [$1]
replacements:
- source: {kind: ConfigMap, name: settings, fieldPath: data.logs}
  targets:
  - select: {kind: Pod}
    fieldPaths: ["spec.volumes.$2.hostPath.path"]
YAML
    kustomize build . | sed -n 's/^      path: /path /p; s/^    name: \(logs\|time\)/\1/p' | xargs
}

echo "kustomize $KUSTOMIZE"
alone="$(render '' 0)"
echo "  index 0: $alone"
moved="$(render time 0)"
echo "  index 0, with a component that adds a volume: $moved"
named="$(render time '[name=logs]')"
echo "  [name=logs], with the component: $named"

if [ "$alone" = 'path /var/log/web logs' ] \
    && [ "$moved" = 'path /var/log/web time path /unset logs' ] \
    && [ "$named" = 'path /etc/localtime time path /var/log/web logs' ]; then
    echo 'The behavior is as described.'
else
    echo 'The behavior has changed.' >&2
    exit 1
fi
