#!/usr/bin/env python3
"""Runs the steps of action.yml and the GitLab template as their runners do. The tested program is VOLCHECK.

Started by workflows.sh, because it needs PyYAML.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

root = pathlib.Path(__file__).resolve().parents[2]
program = os.environ["VOLCHECK"]
scratch = pathlib.Path(tempfile.mkdtemp())
action = yaml.safe_load((root / "action.yml").read_text(encoding="utf-8"))
gitlab = yaml.safe_load((root / "templates/volcheck.gitlab-ci.yml").read_text(encoding="utf-8"))["volcheck"]


def fail(message, log=""):
    sys.exit(f"{log}\nerror: {message}")


def check(claim, is_true, log=""):
    print(f"check: {claim}")
    if not is_true:
        fail(f"false: {claim}", log)


def block(name, text):
    """Compares a block of docs/delivery.md with the output of a run."""
    command = [sys.executable, str(root / "tests/delivery/block.py"), name]
    if subprocess.run(command, cwd=root, input=text, encoding="utf-8").returncode != 0:
        sys.exit(1)


def workspace():
    """Returns a directory with one bad manifest and one good one."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    for kind in ("bad", "good"):
        (directory / kind).mkdir()
    shutil.copyfile(root / "examples/first/agent.yaml", directory / "bad/agent.yaml")
    (directory / "good/web.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: 'web:1'}]}\n"
    )
    return directory


def bash(script, directory, env):
    """Runs a script as the runners of GitHub and GitLab do. It stops at the first command that fails."""
    run = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=directory, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    )
    return run.returncode, run.stdout


class Run:
    """A run of the action in a workspace: its `run` steps, without the steps that use other actions."""

    def __init__(self, directory, path="", **inputs):
        unknown = set(inputs) - set(action["inputs"])
        if unknown:
            fail(f"unknown inputs: {unknown}")
        given = {name: entry["default"] for name, entry in action["inputs"].items()} | inputs
        self.log, self.code = "", 0
        temp = pathlib.Path(tempfile.mkdtemp(dir=scratch))
        env = {"RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": str(root), "PATH": path + os.environ["PATH"]}
        for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
            (temp / name).touch()
            env[name] = str(temp / name)
        for step in action["runs"]["steps"]:
            if "run" not in step or (step["name"] == "Build volcheck" and given["binary"]):
                continue
            mapped = {}
            for key, value in step.get("env", {}).items():
                (name,) = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", value).groups()
                mapped[key] = given[name]
            self.code, log = bash(step["run"], directory, env | mapped)
            self.log += log
            if self.code != 0:
                break
        self.summary = (temp / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8")
        outputs = dict(line.split("=", 1) for line in (temp / "GITHUB_OUTPUT").read_text().splitlines())
        sarif = outputs.get("sarif")
        self.results = sarif and json.loads(pathlib.Path(sarif).read_text(encoding="utf-8"))["runs"][0]["results"]

    def commands(self):
        """Returns the lines of the log that a GitHub runner executes as commands (see its ActionCommandManager)."""
        commands, token = [], None
        for line in self.log.splitlines():
            if token:
                token = None if line.strip() == f"::{token}::" else token
            elif line.startswith("::stop-commands::"):
                token = line.removeprefix("::stop-commands::")
            elif line.lstrip().startswith("::") or "##[" in line:
                commands.append(line)
        if token:
            fail("the log ends while commands are stopped", self.log)
        return commands


for step in action["runs"]["steps"]:
    check(f"the script of `{step['name']}` contains no expression", "${{" not in step.get("run", ""))

run = Run(workspace(), binary=program)
check("the action exits 1 on a bad manifest", run.code == 1, run.log)
check("the log contains the text report", "error[sensitive-host-path]" in run.log, run.log)
annotations = [line for line in run.commands() if line.startswith("::error file=bad/agent.yaml,line=18,")]
check("the log contains the annotations", len(annotations) == 1 and len(run.commands()) == 2, run.log)
check("the summary contains the table", "`writable-host-path`" in run.summary, run.summary)
check("the SARIF file contains the findings", len(run.results) == 2)
block("action", "\n".join(run.commands()))

run = Run(workspace(), binary=program, paths="good\n")
check("the action exits 0 on a good manifest", run.code == 0 and run.results == [] and run.commands() == [], run.log)

run = Run(workspace(), binary=program, paths="bad\ngood\n", args="--select\nsensitive-host-path\n--exclude\nmy bad/**\n")
check("`args` has one argument per line", run.code == 1 and [r["ruleId"] for r in run.results] == ["sensitive-host-path"], run.log)

# A fake helm prints the bad manifest. The chart contains a template that is not valid YAML.
helm = scratch / "helm/helm"
helm.parent.mkdir()
helm.write_text(f"#!/bin/sh\ncat {root}/examples/first/agent.yaml\n")
helm.chmod(0o755)
chart = pathlib.Path(tempfile.mkdtemp(dir=scratch))
(chart / "shop/templates").mkdir(parents=True)
(chart / "shop/Chart.yaml").write_text("name: shop\n")
(chart / "shop/templates/agent.yaml").write_text("{{ if .Values.agent }}\nkind: Pod\n{{ end }}\n")
run = Run(chart, binary=program, path=f"{helm.parent}:", args="--helm\nshop")
check("with `--helm`, the action checks only the chart", run.code == 1 and len(run.results) == 2, run.log)
run = Run(chart, binary=program, path=f"{helm.parent}:", args="--helm\nshop", paths=".")
check("with `--helm` and `paths`, the action checks both", run.code == 2, run.log)

directory = workspace()
(directory / "my policy.yaml").write_text("version: 1\nprofile: none\n")
run = Run(directory, binary=program, policy="my policy.yaml")
check("the policy applies", run.code == 0, run.log)

directory = workspace()
injection = "$(touch pwned)\n`touch pwned`\n\"; touch pwned; \"\n"
for name in ("paths", "policy", "args", "upload-sarif"):
    run = Run(directory, **{"binary": program, name: injection})
    check(f"the input `{name}` is not executed", run.code == 2 and not (directory / "pwned").exists(), run.log)
run = Run(directory, binary=injection)
check("the input `binary` is not executed", run.code == 127 and not (directory / "pwned").exists(), run.log)

directory = workspace()
for name in ("::error::forged.yaml", "##[error]forged.yaml"):
    shutil.copyfile(directory / "bad/agent.yaml", directory / name)
run = Run(directory, binary=program, args="--format\nconcise")
forged = [line for line in run.commands() if not line.startswith("::error file=")]
check("file names are not executed as commands", "::error::forged.yaml:18:" in run.log and not forged, run.log)

run = Run(workspace(), binary=program, paths="absent")
check("the action exits 2 if nothing could be checked", run.code == 2, run.log)

run = Run(workspace(), binary=program, **{"upload-sarif": "yes"})
check("`upload-sarif: yes` is rejected", run.code == 2 and run.commands()[0].startswith("::error"), run.log)

# A fake cargo prints its arguments and its working directory.
cargo = scratch / "cargo/cargo"
cargo.parent.mkdir()
cargo.write_text(
    '#!/bin/sh\necho "$PWD: cargo $*"\nwhile [ "$1" != --root ]; do shift; done\n'
    'mkdir -p "$2/bin"\nln -s "$VOLCHECK" "$2/bin/volcheck"\n'
)
cargo.chmod(0o755)
run = Run(workspace(), path=f"{cargo.parent}:")
check("without `binary`, the action builds its checkout", f"{root}: cargo install --locked --path . " in run.log, run.log)
check("the action runs the program that it built", run.code == 1 and len(run.results) == 2, run.log)


def job(directory, **variables):
    """Runs the GitLab job with volcheck in PATH. Returns the exit code, the log and the report."""
    (directory / "bin").mkdir(exist_ok=True)
    (directory / "bin/volcheck").unlink(missing_ok=True)
    (directory / "bin/volcheck").symlink_to(program)
    env = gitlab["variables"] | variables | {"PATH": f"{directory}/bin:{helm.parent}:{os.environ['PATH']}"}
    code, log = bash("\n".join(gitlab["before_script"] + gitlab["script"]), directory, env)
    name = gitlab["artifacts"]["reports"]["codequality"]
    report = directory / name
    check(f"`{name}` is an artifact", gitlab["artifacts"]["paths"] == [name] and gitlab["artifacts"]["when"] == "always")
    return code, log, report.read_text(encoding="utf-8") if report.exists() else None


code, log, report = job(workspace(), VOLCHECK_PATHS="bad good")
check("the GitLab job exits 1 on a bad manifest", code == 1 and "error[sensitive-host-path]" in log, log)
entries = json.loads(report)
check("the report contains both findings", [e["check_name"] for e in entries] == ["writable-host-path", "sensitive-host-path"])
for entry in entries:
    has_fields = {"description", "check_name", "fingerprint", "severity", "location"} <= set(entry)
    check("entries have the fields that GitLab requires", has_fields and entry["location"]["lines"]["begin"] > 0)
code, log, report = job(workspace())
check("the GitLab job checks the working directory by default", code == 1 and len(json.loads(report)) == 2, log)
code, log, report = job(chart, VOLCHECK_ARGS="--helm shop")
check("with `--helm`, the GitLab job checks only the chart", code == 1 and len(json.loads(report)) == 2, log)
code, log, report = job(workspace(), VOLCHECK_PATHS="good")
check("the GitLab job exits 0 with an empty report on a good manifest", code == 0 and json.loads(report) == [], log)
code, log, report = job(workspace(), VOLCHECK_PATHS="**/*.yaml", VOLCHECK_ARGS="--select sensitive-host-path")
check("the GitLab job passes globs and arguments to volcheck", code == 1 and len(json.loads(report)) == 1, log)
block("gitlab", report)

oldest = re.search(r'^rust-version = "(.*)"$', (root / "Cargo.toml").read_text(), re.MULTILINE)[1]
check("the image of the GitLab job is the oldest supported compiler", gitlab["image"] == f"rust:{oldest}")

shutil.rmtree(scratch)
print("templates: passed")
