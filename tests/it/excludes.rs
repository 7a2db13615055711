//! `--exclude` and `lint.exclude`: paths that are not checked.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{temp_dir, volcheck_in};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: i}]\n  volumes:\n  - name: v\n    hostPath: {path: /root, type: Directory}\n";

/// Returns a directory with the Pod in each of these files.
fn pods(names: &[&str]) -> tempfile::TempDir {
    let files: Vec<_> = names.iter().map(|name| (*name, POD)).collect();
    let directory = temp_dir(&files);
    fs::create_dir(directory.path().join(".git")).expect("a directory");
    directory
}

/// Returns the names of the input files.
fn files(directory: &Path, arguments: &[&str]) -> Vec<String> {
    let (_, text) = volcheck_in(directory, &[&["lint", "--show-files"], arguments].concat());
    text.lines().map(str::to_owned).collect()
}

#[test]
fn patterns_match_as_in_gitignore() {
    let directory = pods(&["a.yaml", "sub/b.yaml", "sub/deep/c.yaml", "x/sub/d.yaml", "x/e.yaml"]);
    let path = directory.path();
    let absolute = path.join("sub").to_string_lossy().into_owned();
    let only_nested = ["a.yaml", "x/e.yaml"];
    let only_top = ["a.yaml", "x/e.yaml", "x/sub/d.yaml"];
    for (patterns, expected) in [
        (&["sub"][..], &only_nested[..]),
        (&["sub/"], &only_nested),
        (&["**/sub/**"], &only_nested),
        (&["./sub"], &only_top),
        (&["./sub/**"], &only_top),
        (&["sub/**"], &only_top),
        (&["/sub"], &only_top),
        (&[&absolute], &only_top),
        (&["*.yaml", "!e.yaml"], &["x/e.yaml"]),
        (&["/*", "!/x", "x/sub"], &["x/e.yaml"]),
        (&["."], &[]),
    ] {
        let flags: Vec<_> = patterns.iter().flat_map(|pattern| ["--exclude", pattern]).collect();
        assert_eq!(files(path, &flags), expected, "{patterns:?}");
        let list: Vec<_> = patterns.iter().map(|pattern| format!("{pattern:?}")).collect();
        let policy = format!("version: 1\nlint: {{exclude: [{}]}}\n", list.join(", "));
        fs::write(path.join("volcheck.yaml"), policy).expect("written");
        let found: Vec<_> = files(path, &[]).into_iter().filter(|name| name != "volcheck.yaml").collect();
        assert_eq!(found, expected, "{patterns:?}");
        // The patterns of a policy are relative to its directory.
        assert_eq!(files(&path.join("sub"), &["../a.yaml"]).len(), usize::from(expected.contains(&"a.yaml")));
        fs::remove_file(path.join("volcheck.yaml")).expect("removed");
    }
    // Files that are named explicitly are excluded, too.
    for argument in ["sub/b.yaml", "./sub/b.yaml", "x/../sub/b.yaml", &format!("{absolute}/b.yaml")] {
        assert!(files(path, &["--exclude", "/sub/", argument]).is_empty(), "{argument}");
    }
    assert!(files(path, &["--exclude", "/sub/", "sub"]).is_empty());
    assert!(files(path, &["--exclude", "/sub/", "sub/*.yaml"]).is_empty());
    assert_eq!(
        files(&path.join("x"), &["--exclude", "../sub", ".."]),
        ["../a.yaml", "../x/e.yaml", "../x/sub/d.yaml"]
    );
}

#[test]
fn later_patterns_take_precedence() {
    let directory = pods(&["a.yaml", "b.yaml"]);
    let path = directory.path();
    fs::write(path.join("volcheck.yaml"), "version: 1\nlint: {exclude: ['*.yaml']}\n").expect("written");
    assert!(files(path, &[]).is_empty());
    assert_eq!(files(path, &["--exclude", "!b.yaml"]), ["b.yaml"]);
}

#[cfg(unix)]
#[test]
fn excluded_directories_are_not_read() {
    use std::os::unix::fs::symlink;
    let directory = pods(&["a.yaml", "sub/b.yaml"]);
    // A loop would be an error if it were read.
    symlink("loop.yaml", directory.path().join("sub/loop.yaml")).expect("a link");
    assert_eq!(volcheck_in(directory.path(), &["lint", "--show-files"]).0, 2);
    let (code, text) = volcheck_in(directory.path(), &["lint", "--show-files", "--exclude", "sub"]);
    assert_eq!((code, text.as_str()), (0, "a.yaml\n"));
}

#[test]
fn excludes_apply_to_the_name_of_standard_input() {
    let directory = pods(&["volcheck.yaml"]);
    fs::write(directory.path().join("volcheck.yaml"), "version: 1\nlint: {exclude: [sub/]}\n")
        .expect("written");
    let lint = |arguments: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .args([&["lint", "--allow-empty", "--select", "sensitive-host-path", "-"], arguments].concat())
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("volcheck");
        // volcheck does not read excluded input.
        let _ = child.stdin.take().expect("a pipe").write_all(POD.as_bytes());
        child.wait_with_output().expect("an exit").status.code()
    };
    assert_eq!(lint(&[]), Some(1));
    assert_eq!(lint(&["--stdin-filename", "a.yaml"]), Some(1));
    assert_eq!(lint(&["--stdin-filename", "sub/a.yaml"]), Some(0));
    assert_eq!(lint(&["--stdin-filename", "a.yaml", "--exclude", "a.*"]), Some(0));
}

#[test]
fn reports_patterns_that_match_nothing() {
    let directory = pods(&["a.yaml", "sub/b.yaml", "deploy/c.yaml", "README.md"]);
    let path = directory.path();
    let policy = "version: 1\nlint:\n  exclude:\n  - sub/\n  - deploy/typo.yaml\n";
    fs::write(path.join("volcheck.yaml"), policy).expect("written");
    let warnings = |arguments: &[&str]| -> Vec<String> {
        let (_, text) = volcheck_in(path, &[&["lint"], arguments].concat());
        text.lines().filter(|line| line.starts_with("warning: ")).map(str::to_owned).collect()
    };
    let typo = "warning: exclude pattern `deploy/typo.yaml` matches no path (volcheck.yaml:5)";
    assert_eq!(warnings(&[]), [typo]);
    assert_eq!(warnings(&["deploy"]), [typo]);
    assert_eq!(
        warnings(&["--exclude", "su", "--exclude", "*.txt", "--exclude", "*.md"]),
        [
            typo,
            "warning: exclude pattern `su` matches no path (--exclude)",
            "warning: exclude pattern `*.txt` matches no path (--exclude)",
        ]
    );
    assert_eq!(warnings(&["--exclude", "README.md"]), [typo]);
    // A path in an excluded directory cannot be included again.
    let again = "warning: exclude pattern `!sub/b.yaml` matches no path (--exclude)";
    assert_eq!(warnings(&["--exclude", "!sub/b.yaml"]), [typo, again]);
    // Other runs do not search the directories of the patterns, such as the runs of pre-commit.
    assert!(warnings(&["a.yaml", "--exclude", "su"]).is_empty());
    assert!(warnings(&["sub"]).is_empty());
    // A missing file may exist in other checkouts, but a file that exists is not a typo.
    fs::write(path.join(".gitignore"), "deploy/typo.yaml\n").expect("written");
    fs::write(path.join("deploy/typo.yaml"), POD).expect("written");
    assert!(warnings(&[]).is_empty());
}

#[test]
fn rejects_invalid_patterns() {
    let directory = pods(&["a.yaml"]);
    for (pattern, message) in [("a[", "unclosed character class"), ("", "empty pattern")] {
        let (code, text) = volcheck_in(directory.path(), &["lint", "--exclude", pattern]);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(message), "{text}");
    }
}
