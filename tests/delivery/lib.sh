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

# Prints the directory of a pinned npm package without dependencies. Each version is installed once.
npm_package() {
    local directory="${VOLCHECK_CI_CACHE:-$HOME/.cache/volcheck-ci}/npm-${1##*/}-$2"
    [ -e "$directory/whole" ] || {
        rm -rf "$directory"
        npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$directory" "$1@$2" >&2
        touch "$directory/whole"
    }
    printf '%s\n' "$directory/node_modules/$1"
}

# Prints the directory of the source distribution of a pinned Python package. Each version is
# downloaded once.
python_source() {
    local directory="${VOLCHECK_CI_CACHE:-$HOME/.cache/volcheck-ci}/source-$1-$2"
    [ -e "$directory/whole" ] || {
        rm -rf "$directory"
        mkdir -p "$directory"
        python3 -m pip --quiet --disable-pip-version-check download --no-deps --no-binary :all: \
            --dest "$directory" "$1==$2" >&2
        tar -xzf "$directory"/*.tar.gz -C "$directory" --strip-components 1
        touch "$directory/whole"
    }
    printf '%s\n' "$directory"
}
