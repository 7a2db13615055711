//! `volcheck lint --fix` and `--diff` apply fixes without changing anything else.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::changed::git;
use crate::support::{root, temp_dir, volcheck_in};

/// A Pod with a safe fix (the slash at the end of the mount path is an info, the medium a warning)
/// and two unsafe ones.
const POD: &str = "\
# The log reader.
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
    - name: c # reads logs
      image: i
      volumeMounts:
        - name: logs
          mountPath: /logs # here
        - {name: cache, mountPath: /cache}

  volumes:
    - name: logs
      # The logs.
      hostPath:
        path: /srv/logs
    - name: cache
      emptyDir: {medium: memory, sizeLimit: 1Gi}
";

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    temp_dir(&[files, &[(".git/HEAD", "")]].concat())
}

fn read(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).expect("a file")
}

fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let program = env!("CARGO_BIN_EXE_volcheck");
    let output = Command::new(program).args(arguments).current_dir(directory).output().expect("volcheck");
    texts(&output)
}

fn texts(Output { status, stdout, stderr }: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

/// Fixes a file with all fixes, and returns its new text.
fn fixed(text: &str) -> String {
    let directory = directory(&[("pod.yaml", text)]);
    let (_, _, err) = run(directory.path(), &["lint", "--fix", "--unsafe-fixes"]);
    assert!(err.contains("Fixed "), "{text}: {err}");
    read(directory.path(), "pod.yaml")
}

/// Asserts that no fix of a file is applied, for this reason.
fn assert_refused(text: &str, reason: &str) {
    let directory = directory(&[("pod.yaml", text)]);
    let (_, _, err) = run(directory.path(), &["lint", "--fix", "--unsafe-fixes"]);
    assert!(err.contains(&format!("\n  not fixed, because {reason}\n")), "{text}: {err}");
    assert_eq!(read(directory.path(), "pod.yaml"), text);
}

#[test]
fn applies_only_safe_fixes_by_default() {
    let directory = directory(&[("pod.yaml", POD)]);
    let path = directory.path();
    let (code, out, err) = run(path, &["lint", "--fix"]);
    assert_eq!(code, 1, "{out}");
    assert_eq!(err, "Fixed 1 finding in 1 file.\n");
    assert_eq!(read(path, "pod.yaml"), POD.replace("memory", "Memory"));
    assert!(out.contains("2 are fixable with `--fix --unsafe-fixes`."), "{out}");
    let (code, out, err) = run(path, &["lint", "--fix", "--unsafe-fixes"]);
    assert_eq!((code, err.as_str()), (0, "Fixed 2 findings in 1 file.\n"), "{out}");
    let expected = POD
        .replace("memory", "Memory")
        .replace("/logs # here\n", "/logs # here\n          readOnly: true\n")
        .replace("path: /srv/logs\n", "path: /srv/logs\n        type: Directory\n");
    assert_eq!(read(path, "pod.yaml"), expected);
    let (code, _, err) = run(path, &["lint", "--fix", "--unsafe-fixes"]);
    assert_eq!((code, err.as_str()), (0, "No findings to fix.\n"));
    assert_eq!(read(path, "pod.yaml"), expected);
}

#[test]
fn reports_mark_fixable_findings() {
    let directory = directory(&[("pod.yaml", POD)]);
    let run = |arguments: &[&str]| run(directory.path(), &[&["lint"], arguments].concat()).1;
    let text = run(&[]);
    for expected in [
        "= fix: set `medium: Memory` with `--fix`\n",
        "= fix: set `type: DirectoryOrCreate` with `--fix --unsafe-fixes`\n",
        "1 is fixable with `--fix`, 2 more with `--unsafe-fixes`.\n",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(run(&["--format", "github"]).contains("(fixable with `--fix --unsafe-fixes`)"));
    assert!(run(&["--format", "gitlab"]).contains("(fixable with `--fix --unsafe-fixes`)"));
    let json: serde_json::Value = serde_json::from_str(&run(&["--format", "json"])).expect("JSON");
    let findings = json["findings"].as_array().expect("findings");
    let untyped = findings.iter().find(|finding| finding["rule"] == "untyped-host-path").expect("a finding");
    let edit = &untyped["fix"]["text_edits"][0];
    assert_eq!(edit["text"], "        type: DirectoryOrCreate\n");
    let at = POD.find("    - name: cache").expect("an offset");
    assert_eq!((&edit["start"]["offset"], &edit["end"]["offset"]), (&at.into(), &at.into()));
    let sarif: serde_json::Value = serde_json::from_str(&run(&["--format", "sarif"])).expect("JSON");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    let untyped = results.iter().find(|result| result["ruleId"] == "untyped-host-path").expect("a result");
    let replacement = &untyped["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(replacement["insertedContent"]["text"], "        type: DirectoryOrCreate\n");
    assert_eq!(replacement["deletedRegion"]["startLine"], 19);
}

#[test]
fn fixes_only_the_selected_rules() {
    let directory = directory(&[("pod.yaml", POD)]);
    let (_, _, err) =
        run(directory.path(), &["lint", "--fix", "--unsafe-fixes", "--fix-only", "untyped-host-path"]);
    assert_eq!(err, "Fixed 1 finding in 1 file.\n");
    let expected = POD.replace("path: /srv/logs\n", "path: /srv/logs\n        type: DirectoryOrCreate\n");
    assert_eq!(read(directory.path(), "pod.yaml"), expected);
    let (code, _, err) = run(directory.path(), &["lint", "--fix", "--fix-only", "no-such-rule"]);
    assert!(code == 2 && err.contains("no-such-rule"), "{err}");
    let (code, _, err) = run(directory.path(), &["lint", "--unsafe-fixes"]);
    assert!(code == 2 && err.contains("--fix"), "{err}");
}

#[test]
fn documented_example_is_fixed_completely() {
    let name = "examples/fix/log-reader.yaml";
    let text = fs::read_to_string(root().join(name)).expect("the example");
    let directory = directory(&[("pod.yaml", &text)]);
    assert_eq!(run(directory.path(), &["lint"]).0, 1);
    let (code, out, err) = run(directory.path(), &["lint", "--fix", "--unsafe-fixes"]);
    assert_eq!((code, err.as_str()), (0, "Fixed 2 findings in 1 file.\n"));
    assert!(out.starts_with("No problems in 1 file"), "{out}");
}

#[test]
fn diffs_change_nothing() {
    let directory = directory(&[("pod.yaml", POD)]);
    let path = directory.path();
    let (code, out, err) = run(path, &["lint", "--diff", "--unsafe-fixes"]);
    assert_eq!((code, err.as_str()), (1, "Would fix 3 findings in 1 file.\n"));
    let expected = "         - name: logs
           mountPath: /logs # here
+          readOnly: true
         - {name: cache, mountPath: /cache}
";
    assert!(out.starts_with("--- a/pod.yaml\n+++ b/pod.yaml\n@@ ") && out.contains(expected), "{out}");
    assert_eq!(read(path, "pod.yaml"), POD);
    let patch = path.join("fix.patch");
    fs::write(&patch, &out).expect("written");
    assert_eq!(run(path, &["lint", "--fix", "--unsafe-fixes"]).0, 0);
    let by_fix = read(path, "pod.yaml");
    fs::write(path.join("pod.yaml"), POD).expect("written");
    let status = Command::new("git").args(["apply", "fix.patch"]).current_dir(path).status().expect("git");
    assert!(status.success());
    assert_eq!(read(path, "pod.yaml"), by_fix);
    let (code, out, _) = run(path, &["lint", "--diff", "--unsafe-fixes", "--fix"]);
    assert_eq!((code, out.as_str()), (0, ""));
    // Input that cannot be checked is an error.
    fs::write(path.join("bad.yaml"), "kind: Pod\na: [\n").expect("written");
    let (code, _, err) = run(path, &["lint", "--diff"]);
    assert!(code == 2 && err.starts_with("error: bad.yaml:"), "{err}");
}

#[test]
fn fixes_only_reported_findings() {
    let other = POD.replace("name: p}", "name: q}");
    let both = format!("{POD}---\n{other}");
    let directory = directory(&[("pod.yaml", &both)]);
    let path = directory.path();
    let baseline = "\
# volcheck: ignore[untyped-host-path] -- managed by the node image
        path: /srv/logs";
    // An ignored finding is not fixed.
    fs::write(path.join("pod.yaml"), POD.replace("path: /srv/logs", baseline)).expect("written");
    assert!(run(path, &["lint", "--fix", "--unsafe-fixes"]).2.contains("Fixed "));
    assert!(read(path, "pod.yaml").contains("readOnly: true"));
    // A finding in the baseline is not fixed.
    fs::write(path.join("pod.yaml"), POD).expect("written");
    assert_eq!(run(path, &["baseline"]).0, 0);
    let arguments = ["lint", "--baseline", ".volcheck-baseline.json", "--fix", "--unsafe-fixes"];
    assert_eq!(run(path, &arguments).2, "No findings to fix.\n");
    assert_eq!(read(path, "pod.yaml"), POD);
    // An info is fixed only if it is shown, in any format.
    let slash = POD.replace("mountPath: /cache", "mountPath: /cache/").replace("memory", "Memory");
    fs::write(path.join("pod.yaml"), &slash).expect("written");
    assert!(run(path, &["lint", "--fix", "--format", "json"]).2.ends_with("No findings to fix.\n"));
    assert!(
        run(path, &["lint", "--fix", "--min-severity", "info"]).2.ends_with("Fixed 1 finding in 1 file.\n")
    );
    assert_eq!(read(path, "pod.yaml"), POD.replace("memory", "Memory"));
}

#[test]
fn fixes_only_changed_objects() {
    let other = POD.replace("name: p}", "name: q}");
    let directory = temp_dir(&[("a.yaml", POD), ("b.yaml", &other)]);
    let path = directory.path();
    git(path, &["init", "--quiet", "--initial-branch=main"]);
    git(path, &["add", "."]);
    git(path, &["commit", "--quiet", "--message=first"]);
    fs::write(path.join("b.yaml"), other.replace("image: i", "image: j")).expect("written");
    let (code, out, err) = run(path, &["lint", "--fix", "--unsafe-fixes", "--changed-since", "HEAD"]);
    assert_eq!((code, err.as_str()), (0, "Fixed 3 findings in 1 file.\n"), "{out}");
    assert_eq!(read(path, "a.yaml"), POD);
    assert!(read(path, "b.yaml").contains("readOnly: true"));
}

#[test]
fn standard_input_is_fixed_to_standard_output() {
    let directory = directory(&[]);
    let run = |arguments: &[&str], input: &[u8]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("volcheck");
        std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), input).expect("written");
        texts(&child.wait_with_output().expect("volcheck"))
    };
    let (code, out, err) = run(&["lint", "--fix", "-"], POD.as_bytes());
    assert_eq!((code, out), (1, POD.replace("memory", "Memory")));
    assert!(err.contains("error[untyped-host-path]") && err.contains("Fixed 1 finding"), "{err}");
    // Without fixes, the text is unchanged, even if it cannot be checked.
    for text in ["a: 1\n", "kind: Pod\na: [\n", ""] {
        assert_eq!(run(&["lint", "--fix", "-"], text.as_bytes()).1, text);
    }
    let (code, out, _) = run(&["lint", "--diff", "-"], POD.as_bytes());
    assert!(code == 1 && out.starts_with("--- a/<stdin>\n"), "{out}");
    let rendered = format!("# Source: shop/templates/pod.yaml\n{POD}");
    let (_, out, err) = run(&["lint", "--fix", "-"], rendered.as_bytes());
    assert!(out == rendered && err.contains("not fixed, because the text is rendered"), "{err}");
}

#[test]
fn named_renderings_cannot_be_fixed() {
    let directory = directory(&[("pod.yaml", POD)]);
    for flag in ["--helm", "--kustomize"] {
        let (code, _, err) = run(directory.path(), &["lint", "--fix", flag, "."]);
        assert!(code == 2 && err.contains("cannot be used with"), "{err}");
    }
}

#[test]
fn keeps_line_breaks_and_the_end_of_the_file() {
    for (line_break, end) in [("\r\n", "\r\n"), ("\r\n", ""), ("\n", "")] {
        let text = POD.trim_end().replace('\n', line_break) + end;
        let fixed = fixed(&text);
        assert_eq!(
            fixed.replace("\r\n", "\n").matches('\n').count(),
            POD.matches('\n').count() + 2 - usize::from(end.is_empty())
        );
        assert_eq!(fixed.matches('\n').count(), fixed.matches(line_break).count(), "{fixed:?}");
        assert_eq!(fixed.ends_with('\n'), !end.is_empty());
    }
    // New lines have the line break of the line before.
    let mixed = POD.replace("mountPath: /logs # here\n", "mountPath: /logs # here\r\n");
    assert!(fixed(&mixed).contains("readOnly: true\r\n") && fixed(&mixed).contains("type: Directory\n"));
    let with_bom = format!("\u{feff}{POD}");
    assert_eq!(fixed(&with_bom), format!("\u{feff}{}", fixed(POD)));
}

#[test]
fn keeps_the_notation() {
    let pod = |mount: &str, volume: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - image: i\n    name: c\n    volumeMounts:\n{mount}\n  volumes:\n{volume}\n"
        )
    };
    let typed = "  - name: v\n    hostPath: {path: /srv/a, type: Directory}";
    let mounted = "    - {name: v, mountPath: /a, readOnly: true}";
    for (mount, expected) in [
        ("    - {mountPath: /a, name: v}", "    - {mountPath: /a, readOnly: true, name: v}"),
        ("    - {mountPath: \"/a\", name: v}", "    - {mountPath: \"/a\", readOnly: true, name: v}"),
        (
            "    - {\"mountPath\":\"/a\",\"name\":\"v\"}",
            "    - {\"mountPath\":\"/a\",\"readOnly\":true,\"name\":\"v\"}",
        ),
        ("    - mountPath:\t/a\n      name: v", "    - mountPath:\t/a\n      readOnly: true\n      name: v"),
        (
            "    - mountPath: /a\n\n      # The name.\n      name: v",
            "    - mountPath: /a\n      readOnly: true\n\n      # The name.\n      name: v",
        ),
        (
            "    - name: v\n      mountPath: /a\n      readOnly: no # later",
            "    - name: v\n      mountPath: /a\n      readOnly: true # later",
        ),
        (
            "    - name: v\n      mountPath: /a\n      readOnly:",
            "    - name: v\n      mountPath: /a\n      readOnly: true",
        ),
        (
            "    - name: v\n      readOnly: false\n      mountPath: |-\n        /a",
            "    - name: v\n      readOnly: true\n      mountPath: |-\n        /a",
        ),
        (
            "    - {\n        name: v, # the volume\n        mountPath: /a # here\n      }",
            "    - {\n        name: v, # the volume\n        mountPath: /a, # here\n        readOnly: true\n      }",
        ),
        (
            "    -   mountPath: /a\n        name: v",
            "    -   mountPath: /a\n        readOnly: true\n        name: v",
        ),
        (
            "    - ? name\n      : v\n      ? mountPath\n      : /a",
            "    - ? name\n      : v\n      ? mountPath\n      : /a\n      readOnly: true",
        ),
    ] {
        assert_eq!(fixed(&pod(mount, typed)), pod(expected, typed), "{mount}");
    }
    for (volume, expected) in [
        (
            "  - hostPath:\n      path: /srv/a\n    name: v",
            "  - hostPath:\n      path: /srv/a\n      type: Directory\n    name: v",
        ),
        (
            "  - {name: v, hostPath: {path: /srv/a}}",
            "  - {name: v, hostPath: {path: /srv/a, type: Directory}}",
        ),
        (
            "  - hostPath: {type: '', path: '/srv/a'}\n    name: v",
            "  - hostPath: {type: Directory, path: '/srv/a'}\n    name: v",
        ),
        (
            "  - name: v\n    \"hostPath\": { \"path\": \"/srv/a\" }",
            "  - name: v\n    \"hostPath\": { \"path\": \"/srv/a\", \"type\": \"Directory\" }",
        ),
        (
            "  - name: v\n    hostPath:\n      path: /srv/a\n      type: ~",
            "  - name: v\n    hostPath:\n      path: /srv/a\n      type: Directory",
        ),
    ] {
        assert_eq!(fixed(&pod(mounted, volume)), pod(mounted, expected), "{volume}");
    }
    let json = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"p\"},\n\t\"spec\": {\n\t\t\"containers\": [{\"name\": \"c\", \"image\": \"i\", \"volumeMounts\": [{\"name\": \"v\", \"mountPath\": \"/a\", \"readOnly\": true}]}],\n\t\t\"volumes\": [{\n\t\t\t\"name\": \"v\",\n\t\t\t\"hostPath\": {\n\t\t\t\t\"path\": \"/srv/a\"\n\t\t\t}\n\t\t}]\n\t}\n}";
    let expected =
        json.replace("\"path\": \"/srv/a\"\n", "\"path\": \"/srv/a\",\n\t\t\t\t\"type\": \"Directory\"\n");
    assert_eq!(fixed(json), expected);
}

#[test]
fn removes_entries_and_items() {
    let pod = |volumes: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  volumes:{volumes}\n  containers: [{{image: i, name: c, volumeMounts: [{{name: k, mountPath: /k}}]}}]\n"
        )
    };
    let kept = "\n  - name: k\n    emptyDir: {sizeLimit: 1Gi}";
    for (volumes, expected) in [
        (
            "\n  # The logs.\n  - name: v # unused\n    hostPath: {path: /srv/a, type: Directory}\n    # end",
            "\n  # The logs.",
        ),
        ("\n  - name: v\n\n    hostPath:\n      path: /srv/a\n      type: Directory", ""),
    ] {
        let (first, last) = (format!("{volumes}{kept}"), format!("{kept}{volumes}"));
        assert_eq!(fixed(&pod(&first)), pod(&format!("{expected}{kept}")));
        assert_eq!(fixed(&pod(&last)), pod(&format!("{kept}{expected}")));
    }
    let unused = "{name: v, hostPath: {path: /srv/a, type: Directory}}";
    let kept = "{name: k, emptyDir: {sizeLimit: 1Gi}}";
    assert_eq!(fixed(&pod(&format!(" [{unused}, {kept}]"))), pod(&format!(" [{kept}]")));
    assert_eq!(fixed(&pod(&format!(" [{kept}, {unused}]"))), pod(&format!(" [{kept}]")));
    // A list is removed with its last item.
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{image: i, name: c}]\n";
    let volumes = "  volumes:\n  - name: v\n    hostPath: {path: /srv/a, type: Directory}\n";
    assert_eq!(fixed(&format!("{pod}{volumes}")), pod);
    // Several items are removed in several rounds.
    let flow = format!("  volumes: [{unused}, {}]\n", unused.replace("name: v", "name: w"));
    assert_eq!(fixed(&format!("{pod}{flow}")), pod);
}

#[test]
fn shared_values_are_not_fixed() {
    let pod = |volumes: &str, mount: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  volumes:\n{volumes}\n  containers:\n  - {{image: i, name: c, volumeMounts: {mount}}}\n"
        )
    };
    let shared = "the field is shared through an anchor, an alias or a merge key";
    let mounts = "[{name: v, mountPath: /a, readOnly: true}, {name: w, mountPath: /b, readOnly: true}]";
    assert_refused(
        &pod("  - name: v\n    hostPath: &h {path: /srv/a}\n  - name: w\n    hostPath: *h", mounts),
        shared,
    );
    assert_refused(
        &pod("  - &v\n    name: v\n    hostPath: {path: /srv/a}\n  - {<<: *v, name: w}", mounts),
        shared,
    );
    // An anchor without an alias is no problem.
    let anchored =
        pod("  - name: v\n    hostPath: &h {path: /srv/a}", "[{name: v, mountPath: /a, readOnly: true}]");
    assert_eq!(fixed(&anchored), anchored.replace("/srv/a}", "/srv/a, type: Directory}"));
}

#[test]
fn objects_in_strings_are_not_fixed() {
    let pod = POD.replace('\n', "\n    ");
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata:\n  pod.yaml: |\n    {}\n",
        pod.trim_end()
    );
    assert_refused(&map, "the object is in a string of another object");
}

#[test]
fn broken_documents_are_unchanged() {
    let broken = "kind: Pod\nspec: [\t{\n  é: \"\n";
    for text in
        [format!("{POD}---\n{broken}"), format!("{POD}---\n{broken}---\n{POD}").replace("name: p", "name: q")]
    {
        let directory = directory(&[("pod.yaml", &text)]);
        let (code, _, err) = run(directory.path(), &["lint", "--fix"]);
        assert_eq!(code, 2, "{err}");
        assert_eq!(read(directory.path(), "pod.yaml"), text.replace("memory", "Memory"));
    }
    // Duplicate keys are kept, and the last one, which counts, is changed.
    let duplicate = POD.replace("{medium: memory,", "{medium: Memory, medium: memory,");
    assert_eq!(fixed(&duplicate).matches("medium").count(), 2);
    assert!(fixed(&duplicate).contains("{medium: Memory, medium: Memory,"));
}

#[test]
fn each_file_is_fixed_once_and_links_are_kept() {
    let directory = directory(&[("real/pod.yaml", POD), ("sub/x.txt", "")]);
    let path = directory.path();
    symlink("real/pod.yaml", path.join("link.yaml")).expect("a link");
    fs::set_permissions(path.join("real/pod.yaml"), fs::Permissions::from_mode(0o640)).expect("set");
    let arguments = ["lint", "--fix", "link.yaml", "sub/../real/pod.yaml", "real//pod.yaml"];
    assert_eq!(run(path, &arguments).2, "Fixed 1 finding in 1 file.\n");
    assert_eq!(read(path, "real/pod.yaml"), POD.replace("memory", "Memory"));
    assert!(path.join("link.yaml").is_symlink());
    let metadata = fs::metadata(path.join("real/pod.yaml")).expect("a file");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(path.join("real")).expect("a directory").count(), 1);
    // Only root can set another owner.
    if std::os::unix::fs::chown(path.join("real/pod.yaml"), Some(4321), Some(4322)).is_ok() {
        assert!(run(path, &["lint", "--fix", "--unsafe-fixes", "real"]).2.starts_with("Fixed 2 findings"));
        let metadata = fs::metadata(path.join("real/pod.yaml")).expect("a file");
        assert_eq!((metadata.uid(), metadata.gid()), (4321, 4322));
    }
}

#[test]
fn files_that_cannot_be_replaced_are_unchanged() {
    let run_fix = |path: &Path| run(path, &["lint", "--fix"]);
    let read_only = directory(&[("pod.yaml", POD)]);
    fs::set_permissions(read_only.path().join("pod.yaml"), fs::Permissions::from_mode(0o444)).expect("set");
    assert!(run_fix(read_only.path()).2.contains("not fixed, because the file is read-only"));
    assert_eq!(read(read_only.path(), "pod.yaml"), POD);
    let linked = directory(&[("pod.yaml", POD)]);
    fs::hard_link(linked.path().join("pod.yaml"), linked.path().join("other.txt")).expect("a link");
    assert!(run_fix(linked.path()).2.contains("not fixed, because the file has several hard links"));
    assert_eq!(read(linked.path(), "pod.yaml"), POD);
    let utf16 = directory(&[]);
    let bytes: Vec<u8> = format!("\u{feff}{POD}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(utf16.path().join("pod.yaml"), &bytes).expect("written");
    assert!(run_fix(utf16.path()).2.contains("not fixed, because the file is not in UTF-8"));
    assert_eq!(fs::read(utf16.path().join("pod.yaml")).expect("a file"), bytes);
    // The limit on the size of files has the effect of a full disk.
    let full = directory(&[("pod.yaml", POD)]);
    let script = format!("trap '' XFSZ; ulimit -f 0; exec {} lint --fix", env!("CARGO_BIN_EXE_volcheck"));
    let output = Command::new("bash").args(["-c", &script]).current_dir(full.path()).output().expect("bash");
    let (code, out, err) = texts(&output);
    assert!(code == 2 && err.contains("error: pod.yaml: File too large"), "{err}");
    assert!(out.contains("warning") || out.contains("error[unknown-empty-dir-medium]"), "{out}");
    assert_eq!(read(full.path(), "pod.yaml"), POD);
    assert_eq!(fs::read_dir(full.path()).expect("a directory").count(), 2);
    // Root may write everywhere.
    let locked = directory(&[("d/pod.yaml", POD)]);
    let set = |mode| {
        fs::set_permissions(locked.path().join("d"), fs::Permissions::from_mode(mode)).expect("set");
    };
    set(0o555);
    let can_write = fs::write(locked.path().join("d/x"), "").is_ok();
    let (code, _, err) = run_fix(locked.path());
    set(0o755);
    match can_write {
        true => assert_eq!(read(locked.path(), "d/pod.yaml"), POD.replace("memory", "Memory")),
        false => {
            assert!(code == 2 && err.contains("error: d/pod.yaml: Permission denied"), "{err}");
            assert_eq!(read(locked.path(), "d/pod.yaml"), POD);
        }
    }
}

#[test]
fn changed_and_deleted_files_are_not_overwritten() {
    let directory = directory(&[("pod.yaml", POD)]);
    let path = directory.path().join("pod.yaml");
    let edit = volcheck::fix::FileEdit {
        path: Some(path.clone()),
        name: "pod.yaml".to_owned(),
        before: Some(POD.to_owned()),
        after: "new".to_owned(),
    };
    fs::write(&path, "other").expect("written");
    assert_eq!(edit.write(), Err("the file has changed since it was read".to_owned()));
    assert_eq!(read(directory.path(), "pod.yaml"), "other");
    fs::remove_file(&path).expect("removed");
    assert!(edit.write().is_err() && !path.exists());
    fs::write(&path, POD).expect("written");
    assert_eq!(edit.write(), Ok(()));
    assert_eq!(read(directory.path(), "pod.yaml"), "new");
}

#[test]
fn files_in_submodules_are_fixed() {
    let directory =
        directory(&[("module/.git", "gitdir: ../.git/modules/module\n"), ("module/pod.yaml", POD)]);
    assert_eq!(run(directory.path(), &["lint", "--fix"]).2, "Fixed 1 finding in 1 file.\n");
}

/// A read-only mount of `/var/lib/kubelet/pods` would not prevent writes, which another rule
/// reports.
#[test]
fn fixes_with_other_findings_are_refused() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: i\n    volumeMounts:\n    - {name: v, mountPath: /pods, mountPropagation: Bidirectional}\n  volumes:\n  - {name: v, hostPath: {path: /var/lib/kubelet/pods}}\n";
    let directory = directory(&[("pod.yaml", pod)]);
    let (_, _, err) = run(directory.path(), &["lint", "--fix", "--unsafe-fixes"]);
    assert!(err.starts_with("Fixed 1 finding in 1 file.\n"), "{err}");
    assert!(
        err.contains("  not fixed, because the result would cause a finding of `ineffective-read-only`"),
        "{err}"
    );
    assert_eq!(read(directory.path(), "pod.yaml"), pod.replace("/pods}}", "/pods, type: Directory}}"));
    let (_, text) = volcheck_in(directory.path(), &["lint", "--diff", "--unsafe-fixes"]);
    assert!(text.starts_with("No findings to fix.\n"), "{text}");
}
