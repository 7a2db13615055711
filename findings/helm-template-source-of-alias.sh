#!/usr/bin/env bash
# `helm template` names the template of each document in a comment. For a dependency with an alias,
# the comment contains the alias in place of the directory, so it names a file that does not exist.
# For a packaged dependency, the comment names a path inside the archive, but not the archive.
set -euo pipefail

HELM=v4.3.1

directory="$(mktemp -d)"
trap 'chmod -R u+w "$directory"; rm -rf "$directory"' EXIT
cd "$directory"
GOBIN="$directory/bin" GOPATH="$directory/go" GOFLAGS=-modcacherw go install "helm.sh/helm/v4/cmd/helm@$HELM"
export PATH="$directory/bin:$PATH"

mkdir -p shop/charts/database/templates shop/charts/cache/templates
cat > shop/Chart.yaml <<'YAML'
apiVersion: v2
name: shop
version: 0.1.0
dependencies:
- {name: database, version: 0.1.0, alias: orders}
- {name: cache, version: 0.1.0}
YAML
for name in database cache; do
    printf 'apiVersion: v2\nname: %s\nversion: 0.1.0\n' "$name" > "shop/charts/$name/Chart.yaml"
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n' "$name" \
        > "shop/charts/$name/templates/settings.yaml"
done
helm package shop/charts/cache --destination shop/charts > /dev/null
rm -r shop/charts/cache

echo "helm $HELM"
echo 'Files of the chart:'
find shop -type f | sort | sed 's/^/  /'
echo 'Templates in the comments of the rendered documents:'
sources="$(helm template shop | sed -n 's/^# Source: //p' | sort)"
missing=0
while read -r source; do
    if [ -e "$source" ]; then
        echo "  $source"
    else
        echo "  $source, which does not exist"
        missing=$((missing + 1))
    fi
done <<< "$sources"

expected='shop/charts/cache/templates/settings.yaml
shop/charts/orders/templates/settings.yaml'
if [ "$sources" = "$expected" ] && [ "$missing" = 2 ]; then
    echo 'The behavior is as described.'
else
    echo 'The behavior has changed.' >&2
    exit 1
fi
