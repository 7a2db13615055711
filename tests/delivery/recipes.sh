#!/usr/bin/env bash
# Runs the commands of docs/recipes.md and compares their output with the page.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/delivery/lib.sh
go_tool helm helm.sh/helm/v4/cmd/helm v4.3.1
venv pre-commit==4.7.0
go_tool kustomize sigs.k8s.io/kustomize/kustomize/v5 v5.7.1

bin="$(mktemp -d)"
trap 'rm -rf "$bin"' EXIT
ln -s "$VOLCHECK" "$bin/volcheck"
export PATH="$bin:$PATH" HOME="$bin" NO_COLOR=1
unset "${!GIT_@}"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org

check 'the example is clean'
(cd examples/monorepo && volcheck lint)

check 'the recipes'
python3 tests/delivery/recipes.py
