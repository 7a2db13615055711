# shellcheck shell=bash
# Functions that several test scripts share. The scripts run in the root of the repository.

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
check() { printf 'check: %s\n' "$*"; }

# The absolute path of the tested program, because the scripts change directories.
VOLCHECK="$(realpath "${VOLCHECK:-target/debug/volcheck}")"
[ -x "$VOLCHECK" ] || fail "no program at $VOLCHECK; run cargo build"
export VOLCHECK

# Adds the programs of pinned Python packages to PATH. Each set of packages is installed once. The
# file `whole` marks a finished installation.
venv() {
    local packages="$*"
    local directory="${VOLCHECK_CI_CACHE:-$HOME/.cache/volcheck-ci}/python-${packages// /+}"
    if [ ! -e "$directory/whole" ]; then
        rm -rf "$directory"
        python3 -m venv "$directory"
        "$directory/bin/python" -m pip --quiet --disable-pip-version-check install "$@"
        touch "$directory/whole"
    fi
    export PATH="$directory/bin:$PATH"
}

# Adds a pinned Go program to PATH. Each version is built once.
go_tool() {
    local name="$1" module="$2" version="$3"
    local directory="${VOLCHECK_CI_CACHE:-$HOME/.cache/volcheck-ci}/$name-$version"
    [ -x "$directory/$name" ] || GOBIN="$directory" CGO_ENABLED=0 go install "$module@$version"
    export PATH="$directory:$PATH"
}
