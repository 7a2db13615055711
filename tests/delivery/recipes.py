#!/usr/bin/env python3
"""Runs the commands in docs/recipes.md and compares their output with the page.

Each recipe starts with a fresh copy of examples/monorepo, committed to a Git repository. Blocks
have these effects, in order:

- A comment `<!-- write: FILE -->` or `<!-- append: FILE -->` before a block writes the block to a
  file or appends it.
- The commands of a `console` block run in bash. Their output and, unless it is 0, their exit code
  must be on the page.

The commands of a recipe with the comment `<!-- cluster: generated -->` are executed by the
end-to-end tests.
With VOLCHECK_BLESS=1, updates the page.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PAGE = pathlib.Path("docs/recipes.md")
EXAMPLE = pathlib.Path("examples/monorepo")
BLOCK = re.compile(r"(?:<!-- (write|append): (\S+) -->\n)?```(\w+)\n(.*?)```\n", re.DOTALL)
# The dates on the page must be in the future when the commands run.
YEAR, TEST_YEAR = "2027-", "2099-"
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]


def commands(console):
    """Returns the commands of a console block. A line that ends with a backslash continues."""
    found = []
    for line in console.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif found and found[-1].endswith("\\"):
            found[-1] += "\n" + line
    # The output follows the last line of a command, so a continuation is never output.
    return found


def run(command, directory):
    """Runs a command. Returns the command and its output, as in a terminal."""
    in_test = command.replace(YEAR, TEST_YEAR)
    done = subprocess.run(["bash", "-c", in_test], cwd=directory, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    code = f"exit {done.returncode}\n" if done.returncode else ""
    return f"$ {command}\n{done.stdout.replace(TEST_YEAR, YEAR)}{code}"


def executed(recipe, directory):
    """Executes the blocks of a recipe in a directory. Returns the recipe with the actual output."""
    def execute(block):
        action, file, language, text = block.groups()
        if action:
            path = directory / file
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w" if action == "write" else "a", encoding="utf-8") as target:
                target.write(text.replace(YEAR, TEST_YEAR))
        elif language == "console":
            found = commands(text)
            if not found:
                sys.exit(f"error: a console block without a command:\n{text}")
            return "```console\n" + "\n".join(run(command, directory) for command in found) + "```\n"
        return block.group()
    return BLOCK.sub(execute, recipe)


def main():
    page = PAGE.read_text(encoding="utf-8")
    head, *recipes = re.split(r"(?m)^(?=## )", page)
    actual = [head]
    for recipe in recipes:
        if "<!-- cluster: generated -->" in recipe:
            actual.append(recipe)
            continue
        with tempfile.TemporaryDirectory() as temporary:
            directory = pathlib.Path(temporary) / "monorepo"
            shutil.copytree(EXAMPLE, directory, symlinks=True)
            for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
                subprocess.run([*GIT, *arguments], cwd=directory, check=True)
            actual.append(executed(recipe, directory))
    new = "".join(actual)
    if os.environ.get("VOLCHECK_BLESS") == "1":
        PAGE.write_text(new, encoding="utf-8")
    elif new != page:
        with tempfile.NamedTemporaryFile("w", suffix=".md", encoding="utf-8") as copy:
            copy.write(new)
            copy.flush()
            subprocess.run(["diff", "-u", PAGE, copy.name], check=False)
        sys.exit(f"error: {PAGE} is outdated; set VOLCHECK_BLESS=1 to update it")
    print(f"recipes: {len(recipes)} passed")


main()
