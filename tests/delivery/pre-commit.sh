#!/usr/bin/env bash
# pre-commit itself, with the hook `volcheck-system` of this repository, on commits to a repository of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/delivery/lib.sh
venv pre-commit==4.7.0

# pre-commit reads the hooks of a commit.
git diff --quiet HEAD -- .pre-commit-hooks.yaml || fail 'commit .pre-commit-hooks.yaml: what is tested is HEAD'
root="$PWD"
head="$(git rev-parse HEAD)"
# From here on git is asked about the other repository alone, also where this script runs in a git hook.
unset "${!GIT_@}"

check 'pre-commit takes the hooks: validate-manifest'
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
git commit --quiet --message 'the hook'
pre-commit install --install-hooks > /dev/null

wrong() { cat "$scratch/output" >&2; fail "$*"; }
# Commits all there is. The outcome is what pre-commit says of the hook: `Skipped` must not pass for `Passed`.
commits() {
    local outcome="$1" code=0
    shift
    check "$*: $outcome"
    git add --all
    git commit --message "$*" > "$scratch/output" 2>&1 || code=$?
    local fails=passes
    [ "$code" = 0 ] || fails=fails
    case "$outcome $fails" in
        'Failed fails' | 'Passed passes' | 'Skipped passes') ;;
        *) wrong "$*: the commit $fails, and the hook should have said $outcome" ;;
    esac
    grep -qE "^volcheck\.+(\(no files to check\))?$outcome\$" "$scratch/output" \
        || wrong "$*: the hook should have said $outcome"
}
says() { grep -qF -- "$1" "$scratch/output" || wrong "the output lacks: $1"; }
drop() { git reset --quiet --hard; }

mkdir manifests
cp "$root/examples/first/agent.yaml" manifests/agent.yaml
commits Failed 'a bad manifest'
says 'error[writable-host-path]: host path '
says '--> manifests/agent.yaml:18:11'
says '- exit code: 1'
failed="$(cat "$scratch/output")"
drop

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
commits Passed 'a good manifest'

printf 'replicas: 2\nimage: {tag: "1"}\n' > values.yaml
code=0
volcheck lint values.yaml > /dev/null 2>&1 || code=$?
[ "$code" = 2 ] || fail "without --allow-empty, no manifest exits $code, not 2"
commits Passed 'a YAML file that is no manifest'

echo '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [], "volumes": [{"name": "s", "hostPath": {"path": "/var/run/docker.sock"}}]}}' > 'manifests/a socket.json'
commits Failed 'a bad manifest in JSON, with a space in its name'
says 'manifests/a socket.json:1:'
drop

printf 'apiVersion: v1\nkind: Pod\nspec: [\n' > manifests/broken.yaml
commits Failed 'a manifest that does not parse'
says '- exit code: 2'
drop

echo '# Notes' > README.md
commits Skipped 'a file of another kind'

cd "$root"
python3 tests/delivery/block.py pre-commit <<< "$failed"
echo 'pre-commit: all as it should be'
