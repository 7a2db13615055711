//! Symbolic links in inputs: each file is checked once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::changed::git;
use crate::support::{temp_dir, volcheck_in};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: i}]\n  volumes:\n  - name: v\n    hostPath: {path: /root, type: Directory}\n";

/// Creates a directory `input` with the Pod in these files, a file outside of it, and links, each
/// with its path and target.
fn tree(files: &[&str], links: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = temp_dir(&[("outside/o.yaml", POD), ("input/.git/HEAD", "")]);
    let input = directory.path().join("input");
    for name in files {
        let path = input.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, POD).expect("written");
    }
    for (link, target) in links {
        let path = input.join(link);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        symlink(target, path).expect("a link");
    }
    directory
}

/// Returns the names of the input files. Asserts that there are no errors.
fn files(tree: &tempfile::TempDir, arguments: &[&str]) -> Vec<String> {
    let input = tree.path().join("input");
    let (code, text) = volcheck_in(&input, &[&["lint", "--show-files"], arguments].concat());
    assert_eq!(code, 0, "{text}");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn files_have_their_real_path_if_it_is_in_the_input() {
    let links = [
        ("a-link.yaml", "real/b.yaml"),
        ("a-directory", "real"),
        ("z/nested", "../a-directory"),
        ("outer.yaml", "../outside/o.yaml"),
        ("other.yaml", "../outside/o.yaml"),
        ("renamed.yaml", "real/text.txt"),
    ];
    let tree = tree(&["real/b.yaml", "real/text.txt"], &links);
    assert_eq!(files(&tree, &[]), ["other.yaml", "real/b.yaml", "renamed.yaml"]);
    // Without its real path, a file has the first path by name.
    assert_eq!(files(&tree, &["z", "a-directory"]), ["a-directory/b.yaml"]);
    assert_eq!(files(&tree, &["z"]), ["z/nested/b.yaml"]);
    assert_eq!(files(&tree, &["z", "a-link.yaml"]), ["a-link.yaml"]);
    assert_eq!(files(&tree, &["outer.yaml"]), ["outer.yaml"]);
    assert_eq!(files(&tree, &["*-link.yaml", "a-directory/*.yaml"]), ["a-directory/b.yaml"]);
}

#[test]
fn overlapping_arguments_give_one_input_per_file() {
    let tree = tree(&["a.yaml", "sub/b.yaml"], &[]);
    let absolute = fs::canonicalize(tree.path()).expect("a path").join("input/sub");
    let absolute = absolute.to_str().expect("a path");
    for arguments in [
        &[".", "sub"][..],
        &[absolute, "."],
        &["a.yaml", "sub/../a.yaml", "./sub/b.yaml", "../input/sub"],
        &["*.yaml", "**/*.yaml"],
    ] {
        assert_eq!(files(&tree, arguments), ["a.yaml", "sub/b.yaml"], "{arguments:?}");
    }
    assert_eq!(files(&tree, &["../input/a.yaml"]), ["../input/a.yaml"]);
    for arguments in [
        &["sub/./b.yaml", "sub/b.yaml"][..],
        &["sub//b.yaml", "sub/b.yaml"],
        &["sub/.", "sub//", "sub", ".//sub"],
    ] {
        assert_eq!(files(&tree, arguments), ["sub/b.yaml"], "{arguments:?}");
    }
}

#[test]
fn loops_are_skipped() {
    let links = [
        ("a/up", ".."),
        ("a/self", "."),
        ("b/to-a", "../a"),
        ("a/to-b", "../b"),
        ("a/itself", "itself"),
        ("a/gone", "nowhere"),
    ];
    let tree = tree(&["a/a.yaml", "b/b.yaml"], &links);
    assert_eq!(files(&tree, &[]), ["a/a.yaml", "b/b.yaml"]);
    // A link to a parent directory of the argument leads to more files.
    assert_eq!(files(&tree, &["a"]), ["a/a.yaml", "a/to-b/b.yaml"]);
}

/// Following all paths would take exponential time.
#[test]
fn visits_directories_once() {
    let names: Vec<String> = (0..12).map(|index| format!("d{index}")).collect();
    let tree = tree(&["d0/a.yaml"], &[]);
    let input = tree.path().join("input");
    for from in &names {
        fs::create_dir_all(input.join(from)).expect("a directory");
        for to in &names {
            symlink(format!("../{to}"), input.join(from).join(to)).expect("a link");
        }
    }
    assert_eq!(files(&tree, &[]), ["d0/a.yaml"]);
    assert_eq!(files(&tree, &["d5"]), ["d5/d0/a.yaml"]);
}

#[test]
fn links_without_a_target_are_errors_only_if_selected() {
    let tree = tree(&["a.yaml"], &[("loop.yaml", "loop.yaml"), ("gone.yaml", "nowhere")]);
    let (code, text) = volcheck_in(&tree.path().join("input"), &["lint", "--format", "concise"]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("gone.yaml:1:1: error[unanalyzed-document] could not be read: no such file"),
        "{text}"
    );
    assert!(text.contains("loop.yaml:1:1: error[unanalyzed-document] could not be read: a symbolic link that points to itself"), "{text}");
}

#[test]
fn ignored_files_are_found_through_links() {
    let tree = tree(
        &["generated/a.yaml", "kept.yaml"],
        &[("current", "generated"), ("one.yaml", "generated/a.yaml")],
    );
    fs::write(tree.path().join("input/.gitignore"), "generated/\n").expect("written");
    assert_eq!(files(&tree, &[]), ["current/a.yaml", "kept.yaml"]);
    assert_eq!(files(&tree, &["--no-gitignore"]), ["generated/a.yaml", "kept.yaml"]);
    fs::write(tree.path().join("input/.gitignore"), "generated/\ncurrent/\n").expect("written");
    assert_eq!(files(&tree, &[]), ["kept.yaml", "one.yaml"]);
}

#[test]
fn excludes_match_links_and_real_paths() {
    let tree = tree(&["real/a.yaml"], &[("link", "real"), ("b.yaml", "real/a.yaml"), ("out", "../outside")]);
    assert_eq!(files(&tree, &["--exclude", "link", "--exclude", "out"]), ["real/a.yaml"]);
    // An excluded file does not come back under another name.
    assert_eq!(files(&tree, &["--exclude", "real/"]), ["out/o.yaml"]);
    assert_eq!(files(&tree, &["--exclude", "real/a.yaml"]), ["out/o.yaml"]);
    assert_eq!(files(&tree, &["--exclude", "../outside"]), ["real/a.yaml"]);
    assert!(files(&tree, &["--exclude", "/real", "link/a.yaml", "b.yaml", "link"]).is_empty());
    assert!(files(&tree, &["--exclude", "/link", "link/a.yaml", "link"]).is_empty());
}

#[test]
fn patches_are_recognized_through_links() {
    // A list of changes is a patch only if a kustomization refers to it.
    let patch = "- op: add\n  path: /spec/template/spec/volumes/-\n  value: {name: v, hostPath: {path: /root, type: Directory}}\n";
    let tree = tree(&[], &[("overlay/shared", "../real"), ("linked", "overlay")]);
    let input = tree.path().join("input");
    fs::create_dir(input.join("real")).expect("a directory");
    fs::write(input.join("real/patch.yaml"), patch).expect("written");
    let kustomization = "patches: [{path: shared/patch.yaml}]\n";
    fs::write(input.join("overlay/kustomization.yaml"), kustomization).expect("written");
    let lint = |arguments: &[&str]| -> Vec<String> {
        let select = ["lint", "--select", "sensitive-host-path", "--format", "concise"];
        let (_, text) = volcheck_in(&input, &[&select, arguments].concat());
        text.lines().filter_map(|line| Some(line.split_once(":3:")?.0.to_owned())).collect()
    };
    assert_eq!(lint(&[]), ["real/patch.yaml"]);
    assert_eq!(lint(&["overlay", "real"]), ["real/patch.yaml"]);
    assert_eq!(lint(&["overlay"]), ["overlay/shared/patch.yaml"]);
    assert_eq!(lint(&["linked"]), ["linked/shared/patch.yaml"]);
    assert!(lint(&["real"]).is_empty());
}

#[test]
fn baseline_contains_real_paths() {
    let tree = tree(&["real/a.yaml"], &[("link", "real")]);
    let input = tree.path().join("input");
    let policy = "version: 1\nlint: {baseline: known.json}\n";
    fs::write(input.join("volcheck.yaml"), policy).expect("written");
    for argument in [".", "link", "link/a.yaml", "real"] {
        let (code, text) = volcheck_in(&input, &["baseline", argument]);
        assert_eq!(code, 0, "{text}");
        let text = fs::read_to_string(input.join("known.json")).expect("a baseline");
        assert!(text.contains("\"real/a.yaml\"") && !text.contains("link/"), "{argument}: {text}");
        fs::remove_file(input.join("known.json")).expect("removed");
    }
    volcheck_in(&input, &["baseline"]);
    fs::write(input.join("real/a.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n")
        .expect("written");
    let (_, text) = volcheck_in(&input, &["baseline", "--prune", "link"]);
    assert!(text.contains("with 0 findings"), "{text}");
}

#[test]
fn changes_are_found_through_links() {
    let tree = tree(&["real/a.yaml", "real/b.yaml"], &[("link", "real"), ("out", "../outside")]);
    let input = tree.path().join("input");
    fs::remove_dir_all(input.join(".git")).expect("removed");
    git(&input, &["init", "--quiet"]);
    git(&input, &["add", "."]);
    git(&input, &["commit", "--quiet", "--message=a commit"]);
    let lint = |arguments: &[&str]| -> Vec<String> {
        let select =
            ["lint", "--select", "sensitive-host-path", "--format", "concise", "--changed-since", "HEAD"];
        let (_, text) = volcheck_in(&input, &[&select, arguments].concat());
        text.lines().filter_map(|line| Some(line.split_once(":8:")?.0.to_owned())).collect()
    };
    assert!(lint(&[]).is_empty());
    let change = |name: &str| {
        fs::write(Path::new(&input).join(name), POD.replace("name: p", "name: q")).expect("written");
    };
    change("real/a.yaml");
    assert_eq!(lint(&[]), ["real/a.yaml"]);
    assert_eq!(lint(&["link"]), ["link/a.yaml"]);
    git(&input, &["commit", "--quiet", "--all", "--message=a commit"]);
    // A link with a new target contains other files, but does not change files of the input.
    fs::remove_file(input.join("out")).expect("removed");
    symlink("../outside/.", input.join("out")).expect("a link");
    symlink("real/b.yaml", input.join("new.yaml")).expect("a link");
    assert_eq!(lint(&[]), ["out/o.yaml"]);
    assert_eq!(lint(&["new.yaml"]), ["new.yaml"]);
}
