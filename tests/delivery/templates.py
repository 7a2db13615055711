#!/usr/bin/env python3
"""Runs the steps of action.yml and of the GitLab template as their runners would, with the program VOLCHECK.

workflows.sh starts it: it needs PyYAML.
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


def fail(what, log=""):
    sys.exit(f"{log}\nerror: {what}")


def check(what, holds, log=""):
    print(f"check: {what}")
    if not holds:
        fail(f"it is not so: {what}", log)


def block(name, text):
    """A block of the page shows what a run printed."""
    command = [sys.executable, str(root / "tests/delivery/block.py"), name]
    if subprocess.run(command, cwd=root, input=text, encoding="utf-8").returncode != 0:
        sys.exit(1)


def workspace():
    """A repository to lint, with one bad manifest and one good one."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    for kind in ("bad", "good"):
        (folder / kind).mkdir()
    shutil.copyfile(root / "examples/first/agent.yaml", folder / "bad/agent.yaml")
    (folder / "good/web.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: 'web:1'}]}\n"
    )
    return folder


def bash(script, folder, env):
    """As both runners start it: fails at the first command that fails."""
    run = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    )
    return run.returncode, run.stdout


class Run:
    """The steps of the action with `run`, in a workspace, with inputs; the others are actions of their own."""

    def __init__(self, folder, path="", **inputs):
        unknown = set(inputs) - set(action["inputs"])
        if unknown:
            fail(f"no such inputs: {unknown}")
        given = {name: entry["default"] for name, entry in action["inputs"].items()} | inputs
        self.log, self.code, self.folder = "", 0, folder
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
            self.code, log = bash(step["run"], folder, env | mapped)
            self.log += log
            if self.code != 0:
                break
        self.summary = (temp / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8")
        outputs = dict(line.split("=", 1) for line in (temp / "GITHUB_OUTPUT").read_text().splitlines())
        sarif = outputs.get("sarif")
        self.results = sarif and json.loads(pathlib.Path(sarif).read_text(encoding="utf-8"))["runs"][0]["results"]

    def commands(self):
        """The lines that the runner takes as commands, as its ActionCommandManager reads them."""
        found, token = [], None
        for line in self.log.splitlines():
            if token:
                token = None if line.strip() == f"::{token}::" else token
            elif line.startswith("::stop-commands::"):
                token = line.removeprefix("::stop-commands::")
            elif line.lstrip().startswith("::") or "##[" in line:
                found.append(line)
        if token:
            fail("commands stay stopped", self.log)
        return found


for step in action["runs"]["steps"]:
    check(f"`{step['name']}` has no expression in its script", "${{" not in step.get("run", ""))

run = Run(workspace(), binary=program)
check("the action exits 1 on a bad manifest", run.code == 1, run.log)
check("its log has the text", "error[writable-host-path]" in run.log, run.log)
annotations = [line for line in run.commands() if line.startswith("::error file=bad/agent.yaml,line=18,")]
check("its log has the annotations", len(annotations) == 1 and len(run.commands()) == 2, run.log)
check("the summary has the table", "`writable-host-path`" in run.summary, run.summary)
check("the SARIF file has the findings", len(run.results) == 2)
block("action", "\n".join(run.commands()))

run = Run(workspace(), binary=program, paths="good\n")
check("the action exits 0 on a good manifest", run.code == 0 and run.results == [] and run.commands() == [], run.log)

run = Run(workspace(), binary=program, paths="bad\ngood\n", args="--select\nsensitive-host-path\n--exclude\nmy bad/**\n")
check("arguments come a line each", run.code == 1 and [r["ruleId"] for r in run.results] == ["sensitive-host-path"], run.log)

folder = workspace()
(folder / "my policy.yaml").write_text("version: 1\nprofile: none\n")
run = Run(folder, binary=program, policy="my policy.yaml")
check("the policy counts", run.code == 0, run.log)

folder = workspace()
evil = "$(touch pwned)\n`touch pwned`\n\"; touch pwned; \"\n"
for name in ("paths", "policy", "args", "upload-sarif"):
    run = Run(folder, **{"binary": program, name: evil})
    check(f"the input `{name}` is no code", run.code == 2 and not (folder / "pwned").exists(), run.log)
run = Run(folder, binary=evil)
check("the input `binary` is no code", run.code == 127 and not (folder / "pwned").exists(), run.log)

folder = workspace()
for name in ("::error::forged.yaml", "##[error]forged.yaml"):
    shutil.copyfile(folder / "bad/agent.yaml", folder / name)
run = Run(folder, binary=program, args="--format\nconcise")
forged = [line for line in run.commands() if not line.startswith("::error file=")]
check("names of files are no commands", "::error::forged.yaml:18:" in run.log and not forged, run.log)

run = Run(workspace(), binary=program, paths="absent")
check("the action exits 2 where nothing could be judged", run.code == 2, run.log)

run = Run(workspace(), binary=program, **{"upload-sarif": "yes"})
check("`upload-sarif: yes` is refused", run.code == 2 and run.commands()[0].startswith("::error"), run.log)

# The build itself is the README's first command; here a stand-in for cargo says where and how it was called.
cargo = scratch / "cargo/cargo"
cargo.parent.mkdir()
cargo.write_text(
    '#!/bin/sh\necho "$PWD: cargo $*"\nwhile [ "$1" != --root ]; do shift; done\n'
    'mkdir -p "$2/bin"\nln -s "$VOLCHECK" "$2/bin/volcheck"\n'
)
cargo.chmod(0o755)
run = Run(workspace(), path=f"{cargo.parent}:")
check("without a binary the action builds its checkout", f"{root}: cargo install --locked --path . " in run.log, run.log)
check("and lints with it", run.code == 1 and len(run.results) == 2, run.log)


def job(folder, **variables):
    """The GitLab job, where volcheck is on the PATH."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin/volcheck").unlink(missing_ok=True)
    (folder / "bin/volcheck").symlink_to(program)
    env = gitlab["variables"] | variables | {"PATH": f"{folder}/bin:{os.environ['PATH']}"}
    code, log = bash("\n".join(gitlab["before_script"] + gitlab["script"]), folder, env)
    name = gitlab["artifacts"]["reports"]["codequality"]
    report = folder / name
    check(f"`{name}` is an artifact", gitlab["artifacts"]["paths"] == [name] and gitlab["artifacts"]["when"] == "always")
    return code, log, report.read_text(encoding="utf-8") if report.exists() else None


code, log, report = job(workspace(), VOLCHECK_PATHS="bad good")
check("the GitLab job exits 1 on a bad manifest", code == 1 and "error[writable-host-path]" in log, log)
entries = json.loads(report)
check("its report has both findings", [e["check_name"] for e in entries] == ["writable-host-path", "sensitive-host-path"])
for entry in entries:
    whole = {"description", "check_name", "fingerprint", "severity", "location"} <= set(entry)
    check("an entry has what GitLab asks for", whole and entry["location"]["lines"]["begin"] > 0)
code, log, report = job(workspace(), VOLCHECK_PATHS="good")
check("it exits 0 with an empty report on a good one", code == 0 and json.loads(report) == [], log)
code, log, report = job(workspace(), VOLCHECK_PATHS="**/*.yaml", VOLCHECK_ARGS="--select sensitive-host-path")
check("volcheck reads its globs and arguments", code == 1 and len(json.loads(report)) == 1, log)
block("gitlab", report)

oldest = re.search(r'^rust-version = "(.*)"$', (root / "Cargo.toml").read_text(), re.MULTILINE)[1]
check("its image is the oldest compiler that builds volcheck", gitlab["image"] == f"rust:{oldest}")

shutil.rmtree(scratch)
print("templates: all as it should be")
