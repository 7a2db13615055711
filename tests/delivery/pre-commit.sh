#!/usr/bin/env bash
# Runs pre-commit with the hook `volcheck-system` on commits to a temporary repository.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/delivery/lib.sh
venv pre-commit==4.7.0

# pre-commit reads the hooks from a commit.
git diff --quiet HEAD -- .pre-commit-hooks.yaml || fail 'commit .pre-commit-hooks.yaml first; the test uses HEAD'
root="$PWD"
head="$(git rev-parse HEAD)"
# If this script runs in a git hook, these variables point to the wrong repository.
unset "${!GIT_@}"

check 'pre-commit accepts the hooks'
pre-commit validate-manifest .pre-commit-hooks.yaml

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin" "$scratch/repository"
ln -s "$VOLCHECK" "$scratch/bin/volcheck"
export PATH="$scratch/bin:$PATH" PRE_COMMIT_HOME="$scratch/home" PRE_COMMIT_COLOR=never
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org
cd "$scratch/repository"
git init --quiet
cat > .pre-commit-config.yaml <<END
repos:
- repo: $(realpath --relative-to=. "$root")
  rev: $head
  hooks:
  - id: volcheck-system
END
git add .
git commit --quiet --message 'add the hook'
pre-commit install --install-hooks > /dev/null

fail_with_output() { cat "$scratch/output" >&2; fail "$*"; }
# Commits all changes. Checks that the hook has the outcome $1 (Passed, Failed or Skipped), and that
# the commit fails only with Failed.
commit() {
    local outcome="$1" code=0
    shift
    check "$*: $outcome"
    git add --all
    git commit --message "$*" > "$scratch/output" 2>&1 || code=$?
    local result=passes
    [ "$code" = 0 ] || result=fails
    case "$outcome $result" in
        'Failed fails' | 'Passed passes' | 'Skipped passes') ;;
        *) fail_with_output "$*: the commit $result, expected hook outcome $outcome" ;;
    esac
    grep -qE "^volcheck\.+(\(no files to check\))?$outcome\$" "$scratch/output" \
        || fail_with_output "$*: expected hook outcome $outcome"
}
output_contains() { grep -qF -- "$1" "$scratch/output" || fail_with_output "not in the output: $1"; }
discard() { git reset --quiet --hard; }

mkdir manifests
cp "$root/examples/first/agent.yaml" manifests/agent.yaml
commit Failed 'a bad manifest'
output_contains 'error[sensitive-host-path]: sensitive host path '
output_contains '--> manifests/agent.yaml:23:17'
output_contains '- exit code: 1'
failed="$(cat "$scratch/output")"
discard

mkdir manifests
cat > manifests/good.yaml <<'END'
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: web:1
    volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
END
commit Passed 'a good manifest'

printf 'replicas: 2\nimage: {tag: "1"}\n' > values.yaml
code=0
volcheck lint values.yaml > /dev/null 2>&1 || code=$?
[ "$code" = 2 ] || fail "without --allow-empty and manifests, the exit code is $code, not 2"
commit Passed 'a YAML file that is not a manifest'

echo '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [], "volumes": [{"name": "s", "hostPath": {"path": "/var/run/docker.sock"}}]}}' > 'manifests/a socket.json'
commit Failed 'a bad manifest in JSON, with a space in its name'
output_contains 'manifests/a socket.json:1:'
discard

printf 'apiVersion: v1\nkind: Pod\nspec: [\n' > manifests/broken.yaml
commit Failed 'a manifest that does not parse'
output_contains '- exit code: 2'
discard

echo '# Notes' > README.md
commit Skipped 'a file that is not YAML or JSON'

cd "$root"
python3 tests/delivery/block.py pre-commit <<< "$failed"
echo 'pre-commit: passed'
