#!/usr/bin/env bash
# `helm --set` does not remove quotes around a key, although YAML does. A key with quotes is another
# key than the one without, so the value has no effect, and Helm reports nothing.
set -euo pipefail

HELM=v4.3.1

directory="$(mktemp -d)"
trap 'chmod -R u+w "$directory"; rm -rf "$directory"' EXIT
cd "$directory"
GOBIN="$directory/bin" GOPATH="$directory/go" GOFLAGS=-modcacherw go install "helm.sh/helm/v4/cmd/helm@$HELM"
export PATH="$directory/bin:$PATH"

mkdir -p chart/templates
printf 'apiVersion: v2\nname: chart\nversion: 1.0.0\n' > chart/Chart.yaml
printf 'modes: {"*": warn}\n' > chart/values.yaml
printf 'modes: {{ toJson .Values.modes }}\n' > chart/templates/modes.yaml
render() { helm template release chart "$@" | grep '^modes:'; }

echo "Helm $HELM; the chart's default is the key * with the value warn."
quoted="$(render --set 'modes."*"=deny')"
plain="$(render --set 'modes.*=deny')"
printf '{modes: {"*": deny}}\n' > values.yaml
file="$(render --values values.yaml)"
echo "--set 'modes.\"*\"=deny' renders: $quoted"
echo "--set 'modes.*=deny' renders:   $plain"
echo "the same key in a values file:  $file"
[ "$quoted" = 'modes: {"\"*\"":"deny","*":"warn"}' ]
[ "$plain" = 'modes: {"*":"deny"}' ]
[ "$file" = 'modes: {"*":"deny"}' ]
