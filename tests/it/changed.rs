//! `--changed-since`: only findings in changed objects are reported.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{temp_dir, volcheck_in};

/// Runs git in a directory, independently of the configuration of the user.
pub fn git(directory: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(directory)
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

/// Returns a repository with one commit: two Pods in `two.yaml` and one in `one.yaml`.
fn repository() -> tempfile::TempDir {
    let two = format!("{}---\n{}", pod("a", "/etc/kubernetes"), pod("b", "/root"));
    let repository = temp_dir(&[("two.yaml", &two), ("one.yaml", &pod("c", "/root"))]);
    git(repository.path(), &["init", "--quiet", "--initial-branch=main"]);
    commit_all(repository.path());
    repository
}

fn commit_all(directory: &Path) {
    git(directory, &["add", "."]);
    git(directory, &["commit", "--quiet", "--message=a commit"]);
}

/// Returns the exit code and the names of the Pods with findings.
fn lint(directory: &Path, arguments: &[&str]) -> (i32, Vec<String>) {
    let select =
        ["lint", "--no-policy", "--select", "sensitive-host-path", "--format", "concise", "--changed-since"];
    let (code, text) = volcheck_in(directory, &[&select[..], arguments].concat());
    let pod = |line: &str| Some(line.rsplit_once("(Pod default/")?.1.trim_end_matches(')').to_owned());
    (code, text.lines().filter_map(pod).collect())
}

#[test]
fn reports_only_changed_objects() {
    let repository = repository();
    let directory = repository.path();
    assert_eq!(lint(directory, &["HEAD"]), (0, vec![]));
    // A change anywhere in an object counts, but not for other objects in the same file.
    let text = fs::read_to_string(directory.join("two.yaml")).expect("text").replace("name: b", "name: bb");
    fs::write(directory.join("two.yaml"), text).expect("written");
    assert_eq!(lint(directory, &["HEAD"]), (1, vec!["bb".to_owned()]));
    // All objects in untracked files count as changed.
    fs::write(directory.join("new ü.yaml"), pod("fresh", "/root")).expect("written");
    assert_eq!(lint(directory, &["HEAD"]).1, ["fresh", "bb"]);
    // Renaming a file changes no lines.
    git(directory, &["mv", "one.yaml", "moved.yaml"]);
    assert_eq!(lint(directory, &["HEAD"]).1, ["fresh", "bb"]);
    // The result does not depend on the working directory.
    fs::create_dir(directory.join("below")).expect("a directory");
    assert_eq!(lint(&directory.join("below"), &["HEAD", ".."]).1, ["fresh", "bb"]);
    commit_all(directory);
    assert_eq!(lint(directory, &["HEAD"]), (0, vec![]));
    assert_eq!(lint(directory, &["HEAD~1"]).1, ["fresh", "bb"]);
    // A linked working tree (`git worktree`) has its own changes.
    git(directory, &["worktree", "add", "--quiet", "tree", "HEAD~1"]);
    fs::write(directory.join("tree/one.yaml"), pod("w", "/root")).expect("written");
    assert_eq!(lint(&directory.join("tree"), &["HEAD"]).1, ["w"]);
    let (_, text) = volcheck_in(directory, &["lint", "--no-policy", "--changed-since", "HEAD~1", "two.yaml"]);
    assert!(text.contains("outside the changes since HEAD~1"), "{text}");
}

#[test]
fn reports_unparsable_files_only_if_changed() {
    let repository = repository();
    let directory = repository.path();
    fs::write(directory.join("bad.yaml"), "kind: [\n").expect("written");
    assert_eq!(lint(directory, &["HEAD"]).0, 2);
    commit_all(directory);
    assert_eq!(lint(directory, &["HEAD"]).0, 0);
}

/// Returns a repository with the branch `branch`, which adds a Pod, and with a later commit on
/// `main`, which fixes a Pod.
fn repository_with_branch() -> tempfile::TempDir {
    let repository = repository();
    let directory = repository.path();
    git(directory, &["checkout", "--quiet", "-b", "branch"]);
    fs::write(directory.join("branch.yaml"), pod("new", "/root")).expect("written");
    commit_all(directory);
    git(directory, &["checkout", "--quiet", "main"]);
    fs::write(directory.join("one.yaml"), pod("c", "/srv")).expect("written");
    commit_all(directory);
    repository
}

/// The errors that the main branch fixed meanwhile are not due to the branch.
#[test]
fn compares_with_the_fork_point() {
    let repository = repository_with_branch();
    let directory = repository.path();
    git(directory, &["checkout", "--quiet", "branch"]);
    for revision in ["main", "main...", "main...HEAD", "main...branch"] {
        assert_eq!(lint(directory, &[revision]).1, ["new"], "{revision}");
    }
    for revision in ["main..", "main..HEAD"] {
        assert_eq!(lint(directory, &[revision]).1, ["new", "c"], "{revision}");
    }
    let (code, text) = volcheck_in(directory, &["lint", "--changed-since", "branch...main"]);
    assert!(code == 2 && text.contains("`main` is not the commit that is checked out"), "{text}");
    git(directory, &["checkout", "--quiet", "--orphan", "other"]);
    commit_all(directory);
    let (code, text) = volcheck_in(directory, &["lint", "--changed-since", "main"]);
    assert!(code == 2 && text.contains("no common ancestor with HEAD"), "{text}");
}

#[test]
fn shallow_clones_need_more_history() {
    let repository = repository_with_branch();
    let directory = repository.path();
    let clones = temp_dir(&[]);
    let url = format!("file://{}", directory.display());
    git(
        clones.path(),
        &["clone", "--quiet", "--depth=1", "--no-single-branch", "--branch=branch", &url, "a"],
    );
    git(clones.path(), &["clone", "--quiet", "--depth=1", "--branch=branch", &url, "b"]);
    for (clone, reason) in [("a", "no common ancestor"), ("b", "`origin/main` is not a commit")] {
        let directory = clones.path().join(clone);
        let (code, text) = volcheck_in(&directory, &["lint", "--changed-since", "origin/main"]);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(reason) && text.contains("git fetch --unshallow"), "{text}");
    }
    let directory = clones.path().join("a");
    git(&directory, &["fetch", "--quiet", "--unshallow"]);
    assert_eq!(lint(&directory, &["origin/main"]).1, ["new"]);
}

#[test]
fn changed_files_need_not_be_utf_8() {
    let repository = repository();
    let directory = repository.path();
    fs::write(directory.join("latin.txt"), b"caf\xE9\n").expect("written");
    commit_all(directory);
    fs::write(directory.join("latin.txt"), b"th\xE9\n").expect("written");
    fs::write(directory.join("new.yaml"), pod("new", "/root")).expect("written");
    assert_eq!(lint(directory, &["HEAD"]).1, ["new"]);
}

#[test]
fn does_not_apply_to_standard_input() {
    let repository = repository();
    let (code, text) = volcheck_in(repository.path(), &["lint", "--changed-since", "HEAD", "-"]);
    assert!(code == 2 && text.contains("--changed-since does not apply to standard input"), "{text}");
}

#[test]
fn fails_without_a_repository_or_commit() {
    let repository = repository();
    for reference in ["nosuch", "--help", "", "HEAD:two.yaml"] {
        let (code, text) = volcheck_in(repository.path(), &["lint", &format!("--changed-since={reference}")]);
        assert_eq!(code, 2, "{reference}: {text}");
        assert!(text.contains("is not a commit"), "{reference}: {text}");
    }
    let no_repository = temp_dir(&[("p.yaml", &pod("p", "/root"))]);
    let (code, text) = volcheck_in(no_repository.path(), &["lint", "--changed-since", "HEAD"]);
    assert_eq!(code, 2);
    assert!(text.contains("not a git repository"), "{text}");
}

#[test]
fn change_of_a_persistent_volume_reports_the_pod() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: i}]\n  \
               volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]\n";
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: data}\nspec:\n  \
                  claimRef: {namespace: default, name: data}\n  local: {path: /mnt/data}\n";
    let repository = temp_dir(&[("pod.yaml", pod), ("volume.yaml", volume)]);
    let directory = repository.path();
    git(directory, &["init", "--quiet", "--initial-branch=main"]);
    commit_all(directory);
    let lint = || {
        let select = ["lint", "--no-policy", "--select", "hidden-host-path", "--format", "concise"];
        volcheck_in(directory, &[&select[..], &["--changed-since", "HEAD"]].concat())
    };
    fs::write(directory.join("volume.yaml"), volume.replace("/mnt/data", "/etc")).expect("written");
    let (code, text) = lint();
    assert!(code == 1 && text.contains("[hidden-host-path]"), "{text}");
    commit_all(directory);
    assert_eq!(lint().0, 0);
}
