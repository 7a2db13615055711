#!/usr/bin/env bash
# yamlpatch, a crate that edits YAML and keeps its format, removes whole lines. Removing one key of
# a flow mapping removes all keys on the line, and removing the first key of a list item also
# removes the dash, which turns the list into a mapping.
set -euo pipefail

YAMLPATCH=1.26.1
YAMLPATH=1.26.1
TREE_SITTER_ITER=1.27.0

directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"

cargo init --quiet --vcs none --name check .
cargo add --quiet "yamlpatch@=$YAMLPATCH" "yamlpath@=$YAMLPATH" "tree-sitter-iter@=$TREE_SITTER_ITER"

cat > src/main.rs <<'RS'
use yamlpatch::{Op, Patch, apply_yaml_patches};
use yamlpath::{Document, Route, route};

fn removed(text: &str, route: Route<'_>) -> String {
    let document = Document::new(text).expect("valid YAML");
    let patch = Patch { route, operation: Op::Remove };
    match apply_yaml_patches(&document, &[patch]) {
        Ok(document) => document.source().to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

fn main() {
    let flow = "volumes:\n- {name: cache, emptyDir: {medium: Memory, sizeLimit: 1Gi}}\n- name: data\n";
    let result = removed(flow, route!("volumes", 0, "emptyDir", "medium"));
    println!("Removing `medium` from the flow mapping in\n{flow}results in\n{result}");
    let is_line_removed = result == "volumes:\n- name: data\n";

    let list = "volumes:\n- hostPath: {path: /srv/data}\n  name: data\n";
    let result = removed(list, route!("volumes", 0, "hostPath"));
    println!("Removing `hostPath` from the item in\n{list}results in\n{result}");
    let is_dash_removed = result == "volumes:\n  name: data\n";
    std::process::exit(if is_line_removed && is_dash_removed { 0 } else { 1 });
}
RS

echo "yamlpatch $YAMLPATCH, yamlpath $YAMLPATH"
if cargo run --quiet; then
    echo 'The behavior is as described.'
else
    echo 'The behavior has changed.' >&2
    exit 1
fi
