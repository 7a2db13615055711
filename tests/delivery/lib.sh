# shellcheck shell=bash
# What the scripts of this folder share. They run at the root of the repository.

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
check() { printf 'check: %s\n' "$*"; }

# The program that is tested, by an absolute path: the tests change folders.
VOLCHECK="$(realpath "${VOLCHECK:-target/debug/volcheck}")"
[ -x "$VOLCHECK" ] || fail "$VOLCHECK is not there: cargo build"
export VOLCHECK

# A folder with Python packages, pinned, made once per set of versions; the last line of its making is the mark that
# says it is whole.
venv() {
    local packages="$*"
    local folder="${VOLCHECK_CI_CACHE:-$HOME/.cache/volcheck-ci}/python-${packages// /+}"
    if [ ! -e "$folder/whole" ]; then
        rm -rf "$folder"
        python3 -m venv "$folder"
        "$folder/bin/python" -m pip --quiet --disable-pip-version-check install "$@"
        touch "$folder/whole"
    fi
    export PATH="$folder/bin:$PATH"
}

# A program from its Go module, pinned, built once per version.
go_tool() {
    local name="$1" module="$2" version="$3"
    local folder="${VOLCHECK_CI_CACHE:-$HOME/.cache/volcheck-ci}/$name-$version"
    [ -x "$folder/$name" ] || GOBIN="$folder" CGO_ENABLED=0 go install "$module@$version"
    export PATH="$folder:$PATH"
}
