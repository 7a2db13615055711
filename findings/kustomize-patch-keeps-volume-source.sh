#!/usr/bin/env bash
# A patch in a kustomization that gives a volume another source does not remove the old source. The
# API server rejects a volume with two sources. The patch must set the old source to null.
set -euo pipefail

KUSTOMIZE=v5.7.1

directory="$(mktemp -d)"
trap 'chmod -R u+w "$directory"; rm -rf "$directory"' EXIT
cd "$directory"
GOBIN="$directory/bin" GOPATH="$directory/go" GOFLAGS=-modcacherw \
    go install "sigs.k8s.io/kustomize/kustomize/v5@$KUSTOMIZE"
export PATH="$directory/bin:$PATH"

cat > pod.yaml <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: web, image: nginx}]
  volumes: [{name: data, emptyDir: {}}]
YAML
render() {
    cat > kustomization.yaml <<YAML
resources: [pod.yaml]
patches:
- patch: |
    apiVersion: v1
    kind: Pod
    metadata: {name: web}
    spec:
      volumes: [{name: data, $1}]
YAML
    kustomize build . | sed -n '/^  volumes:/,$s/^/  /p'
}

claim='persistentVolumeClaim: {claimName: data}'
echo "kustomize $KUSTOMIZE"
kept="$(render "$claim")"
echo "Patch with \`$claim\`:"
echo "$kept"
replaced="$(render "$claim, emptyDir: null")"
echo "Patch with \`$claim, emptyDir: null\`:"
echo "$replaced"

sources() {
    grep --extended-regexp --only-matching 'emptyDir|persistentVolumeClaim' | xargs
}
if [ "$(sources <<< "$kept")" = 'emptyDir persistentVolumeClaim' ] \
    && [ "$(sources <<< "$replaced")" = persistentVolumeClaim ]; then
    echo 'The behavior is as described.'
else
    echo 'The behavior has changed.' >&2
    exit 1
fi
