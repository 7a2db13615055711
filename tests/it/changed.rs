//! `--changed-since`: what a change has touched, as git knows it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::policy::said;
use crate::support::folder;

fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn pod(name: &str, path: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n  - name: c\n    image: i\n  volumes:\n  - name: v\n    hostPath: {{path: {path}, type: Directory}}\n"
    )
}

/// A repository with two Pods in one file and one in another, committed.
fn repository() -> tempfile::TempDir {
    let two = format!("{}---\n{}", pod("a", "/etc/kubernetes"), pod("b", "/root"));
    let folder = folder(&[("two.yaml", &two), ("one.yaml", &pod("c", "/root"))]);
    git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "--quiet", "--message=first"]);
    folder
}

/// The objects that are reported, and the exit code.
fn reported(folder: &Path, arguments: &[&str]) -> (i32, Vec<String>) {
    let select =
        ["lint", "--no-policy", "--select", "sensitive-host-path", "--format", "concise", "--changed-since"];
    let (code, text) = said(folder, &[&select[..], arguments].concat());
    let object = |line: &str| Some(line.rsplit_once("(Pod default/")?.1.trim_end_matches(')').to_owned());
    (code, text.lines().filter_map(object).collect())
}

#[test]
fn only_what_a_change_touched_is_reported() {
    let folder = repository();
    let at = |name: &str| folder.path().join(name);
    assert_eq!(reported(folder.path(), &["HEAD"]), (0, vec![]));
    // The object's own lines, wherever in it; not its neighbour in the same file.
    let text = fs::read_to_string(at("two.yaml")).expect("text").replace("name: b", "name: bb");
    fs::write(at("two.yaml"), text).expect("written");
    assert_eq!(reported(folder.path(), &["HEAD"]), (1, vec!["bb".to_owned()]));
    // What git doesn't know yet is new.
    fs::write(at("new ü.yaml"), pod("fresh", "/root")).expect("written");
    assert_eq!(reported(folder.path(), &["HEAD"]).1, ["fresh", "bb"]);
    // A file that is only renamed holds nothing new; from another folder it is the same.
    git(folder.path(), &["mv", "one.yaml", "moved.yaml"]);
    assert_eq!(reported(folder.path(), &["HEAD"]).1, ["fresh", "bb"]);
    fs::create_dir(at("below")).expect("a folder");
    assert_eq!(reported(&at("below"), &["HEAD", ".."]).1, ["fresh", "bb"]);
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "--quiet", "--message=second"]);
    assert_eq!(reported(folder.path(), &["HEAD"]), (0, vec![]));
    assert_eq!(reported(folder.path(), &["HEAD~1"]).1, ["fresh", "bb"]);
    // In a work tree beside it, too.
    git(folder.path(), &["worktree", "add", "--quiet", "tree", "HEAD~1"]);
    fs::write(at("tree/one.yaml"), pod("w", "/root")).expect("written");
    assert_eq!(reported(&at("tree"), &["HEAD"]).1, ["w"]);
    let (_, text) = said(folder.path(), &["lint", "--no-policy", "--changed-since", "HEAD~1", "two.yaml"]);
    assert!(text.contains("outside of what changed since HEAD~1"), "{text}");
}

#[test]
fn a_broken_file_counts_where_it_was_touched() {
    let folder = repository();
    fs::write(folder.path().join("bad.yaml"), "kind: [\n").expect("written");
    assert_eq!(reported(folder.path(), &["HEAD"]).0, 2);
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "--quiet", "--message=second"]);
    assert_eq!(reported(folder.path(), &["HEAD"]).0, 0);
}

#[test]
fn without_a_repository_or_a_commit_there_is_no_answer() {
    let folder = repository();
    for reference in ["nosuch", "--help", "", "HEAD:two.yaml"] {
        let (code, text) = said(folder.path(), &["lint", &format!("--changed-since={reference}")]);
        assert_eq!(code, 2, "{reference}: {text}");
        assert!(text.contains("is no commit"), "{reference}: {text}");
    }
    let none = tempfile::tempdir().expect("a folder");
    fs::write(none.path().join("p.yaml"), pod("p", "/root")).expect("written");
    let (code, text) = said(none.path(), &["lint", "--changed-since", "HEAD"]);
    assert_eq!(code, 2);
    assert!(text.contains("not a git repository"), "{text}");
}
