//! Invalid input: volcheck reports where the input is invalid, checks the rest, and exits with code
//! 2.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// A Pod with one finding of `writable-host-path`, on line 9.
const BAD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: bad
spec:
  containers:
  - name: app
    volumeMounts:
    - name: logs
      mountPath: /logs
  volumes:
  - name: logs
    hostPath: {path: /var/log, type: Directory}
";

const GOOD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: good\n";

/// The result of a run.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    /// Asserts that the exit code is `code` and that each of `prefixes` starts a line of standard
    /// output.
    #[track_caller]
    fn reports(&self, code: i32, prefixes: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        for prefix in prefixes {
            let is_found = self.stdout.lines().any(|line| line.starts_with(prefix));
            assert!(is_found, "no line `{prefix}` in:\n{}", self.stdout);
        }
        self
    }

    /// Asserts that standard output has exactly `count` lines.
    #[track_caller]
    fn has_lines(&self, count: usize) -> &Self {
        assert_eq!(self.stdout.lines().count(), count, "{}", self.stdout);
        self
    }

    #[track_caller]
    fn stderr_contains(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no `{text}` in:\n{}", self.stderr);
        self
    }
}

/// A temporary directory of manifests.
struct TestDir(TempDir);

impl TestDir {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = Self(tempfile::tempdir().expect("a directory"));
        files.iter().for_each(|(name, text)| directory.write(name, text.as_bytes()));
        directory
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, bytes).expect("a file");
    }

    /// Starts volcheck in the directory.
    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_volcheck"));
        command.args(arguments).current_dir(self.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("volcheck")
    }

    /// Runs `volcheck lint` with one line of output per finding.
    fn lint(&self, arguments: &[&str]) -> Run {
        self.lint_input(arguments, "")
    }

    fn lint_input(&self, arguments: &[&str], input: &str) -> Run {
        let fixed = ["lint", "--format", "concise", "--select", "writable-host-path"];
        let mut child = self.start(&[&fixed, arguments].concat());
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        finish(child)
    }
}

/// Waits until the process exits and returns its result. Panics after a minute.
#[track_caller]
fn finish(mut child: Child) -> Run {
    fn read_in_background(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
        thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).expect("UTF-8");
            text
        })
    }
    let stdout = read_in_background(child.stdout.take().expect("a pipe"));
    let stderr = read_in_background(child.stderr.take().expect("a pipe"));
    let mut polls = (0..12_000).map(|_| {
        thread::sleep(Duration::from_millis(5));
        child.try_wait().expect("a child")
    });
    let Some(status) = polls.find_map(|status| status) else {
        child.kill().expect("a child");
        panic!("volcheck did not exit within a minute");
    };
    let (stdout, stderr) = (stdout.join().expect("a reader"), stderr.join().expect("a reader"));
    Run { code: status.code().expect("no signal"), stdout, stderr }
}

#[test]
fn reports_missing_files() {
    let directory = TestDir::new(&[("bad.yaml", BAD)]);
    directory
        .lint(&["gone.yaml", "bad.yaml"])
        .reports(
            2,
            &[
                "gone.yaml:1:1: error[unanalyzed-document] could not be read: no such file or directory",
                "bad.yaml:9:7: ",
            ],
        )
        .has_lines(2);
}

#[cfg(unix)]
#[test]
fn reports_unreadable_files_and_directories() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TestDir::new(&[("a/bad.yaml", BAD), ("a/locked.yaml", BAD), ("closed/bad.yaml", BAD)]);
    let locked = directory.path().join("a/locked.yaml");
    let forbid =
        |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("permissions");
    forbid(&locked);
    forbid(&directory.path().join("closed"));
    let is_root = fs::read(&locked).is_ok();
    let run = directory.lint(&["."]);
    fs::set_permissions(directory.path().join("closed"), fs::Permissions::from_mode(0o755))
        .expect("permissions");
    if is_root {
        run.reports(1, &["a/bad.yaml:9:7: ", "a/locked.yaml:9:7: "]);
        return;
    }
    let locked = "a/locked.yaml:1:1: error[unanalyzed-document] could not be read: permission denied";
    let closed = "closed:1:1: error[unanalyzed-document] could not be read: permission denied";
    run.reports(2, &[locked, closed, "a/bad.yaml:9:7: "]).has_lines(3);
}

#[test]
fn reports_host_paths_that_are_too_long() {
    let directory = TestDir::new(&[("bad.yaml", BAD)]);
    let long = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers: [{{name: c, image: i}}]\n  volumes:\n  \
         - name: v\n    hostPath: {{path: {}}}\n",
        "/a".repeat(3000)
    );
    directory.write("long.yaml", long.as_bytes());
    let line = "long.yaml:8:22: error[unanalyzed-document] `spec.volumes[0].hostPath.path` of this Pod: ";
    directory.lint(&["."]).reports(2, &["bad.yaml:9:7: ", line]).has_lines(2);
}

#[test]
fn reports_invalid_utf8() {
    let directory = TestDir::new(&[("bad.yaml", BAD)]);
    directory.write("latin.yaml", b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: \"caf\xE9\"\n");
    directory
        .lint(&["."])
        .reports(
            2,
            &["latin.yaml:4:13: error[unanalyzed-document] not UTF-8: invalid byte 0xE9", "bad.yaml:9:7: "],
        )
        .has_lines(2);
}

#[test]
fn checks_documents_around_an_invalid_document() {
    let directory = TestDir::new(&[("a.yaml", &format!("{BAD}---\nkind: Pod\n  bad: [indent\n---\n{BAD}"))]);
    directory
        .lint(&["."])
        .reports(
            2,
            &["a.yaml:9:7: ", "a.yaml:16:6: error[unanalyzed-document] invalid YAML", "a.yaml:26:7: "],
        )
        .has_lines(3);
}

#[test]
fn reports_fields_of_the_wrong_type() {
    let wrong = BAD.replace("mountPath: /logs", "readOnly: 3");
    let directory = TestDir::new(&[("a.yaml", &format!("{wrong}---\n{BAD}"))]);
    let line = "a.yaml:10:17: error[invalid-field-value] `spec.containers[0].volumeMounts[0].readOnly` of this Pod: ";
    directory.lint(&["."]).reports(2, &[line, "a.yaml:23:7: "]).has_lines(2);
}

#[test]
fn reports_raw_templates_once_per_chart() {
    let raw = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n";
    let directory = TestDir::new(&[
        ("one/Chart.yaml", "apiVersion: v2\nname: one\n"),
        ("one/templates/a.yaml", raw),
        ("one/templates/b.yaml", raw),
        ("one/templates/sub/b.yaml", &format!("{raw}---\n{raw}")),
        ("one/templates/sub/c.yaml", "{{- if .Values.c }}\nkind: Pod\n{{- end }}\n"),
        ("one/charts/inner/templates/d.yaml", raw),
        ("two/templates/a.yaml", &format!("{raw}---\n{raw}")),
        ("bad.yaml", BAD),
    ]);
    let raw = "error[unanalyzed-document] raw template: not YAML until it is rendered";
    directory
        .lint(&["."])
        .reports(
            2,
            &[
                &format!("one/templates/a.yaml:4:9: {raw} (3 more in the chart `one`)"),
                &format!("one/charts/inner/templates/d.yaml:4:9: {raw}"),
                &format!("two/templates/a.yaml:4:9: {raw}"),
                "bad.yaml:9:7: ",
            ],
        )
        .has_lines(4);
    directory.lint(&[".", "--exclude", "**/templates/**"]).reports(1, &["bad.yaml:9:7: "]).has_lines(1);
}

#[test]
fn names_the_template_action_at_the_error() {
    let text =
        "apiVersion: v1\nkind: Pod\nspec:\n  replicas: ${{REPLICAS}}\n  volumes: [{readOnly: ${{RO}}}]\n";
    let directory = TestDir::new(&[("a.yaml", text)]);
    directory.lint(&["."]).reports(2, &["a.yaml:5:25: error[unanalyzed-document] raw template"]).has_lines(1);
}

#[test]
fn reports_raw_templates_once_per_file() {
    let documents = |open: &str, close: &str| {
        let object = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";
        format!("{open}\n{object}{close}\n{object}{open}\n{object}{close}\n")
    };
    let directory = TestDir::new(&[
        ("a.yaml", &documents("{% for a in all %}", "{% endfor %}")),
        ("b.yaml", &documents("x: 1\n<% all.each do |a| %>", "<% end %>")),
        ("c.yaml", &documents("{{ range .all }}", "{{ end }}")),
    ]);
    let raw = "error[unanalyzed-document] raw template: not YAML until it is rendered";
    let expected = [format!("a.yaml:1:1: {raw}"), format!("b.yaml:2:1: {raw}"), format!("c.yaml:1:1: {raw}")];
    directory.lint(&["."]).reports(2, &expected.each_ref().map(String::as_str)).has_lines(3);
}

#[test]
fn rejects_unknown_flags_and_rules() {
    let directory = TestDir::new(&[("good.yaml", GOOD)]);
    directory.lint(&["--selekt", "x", "."]).reports(2, &[]).has_lines(0).stderr_contains("--select");
    let run = finish(directory.start(&["lint", "--select", "writeable-host-path", "."]));
    run.reports(2, &[]).has_lines(0).stderr_contains("did you mean `writable-host-path`?");
    let run = finish(directory.start(&["lint", "--ignore", "nothing-like-it", "."]));
    run.reports(2, &[])
        .has_lines(0)
        .stderr_contains("unknown rule `nothing-like-it`; run `volcheck rules` for a list");
    directory.lint(&["--exclude", "a[", "."]).reports(2, &[]).has_lines(0).stderr_contains("a[");
    let run = finish(directory.start(&["lint", "--format", "xml", "."]));
    run.reports(2, &[]).has_lines(0).stderr_contains("text, concise, json, jsonl, sarif");
}

#[test]
fn fails_if_no_object_is_found() {
    let directory = TestDir::new(&[("notes.txt", "nothing"), ("list.yaml", "- no\n- object\n")]);
    directory.lint(&["."]).reports(2, &[]).stderr_contains("no Kubernetes object");
    directory.lint(&[".", "--allow-empty"]).reports(0, &[]).has_lines(0);
    // `--allow-empty` does not apply to arguments that match nothing.
    let missing = "*.yml:1:1: error[unanalyzed-document] could not be read: no file matches the glob";
    directory.lint(&["*.yml", "--allow-empty"]).reports(2, &[missing]).has_lines(1);
    directory
        .lint(&["sub/*.yml", "--allow-empty"])
        .reports(2, &["sub/*.yml:1:1: error[unanalyzed-document] "])
        .has_lines(1);
}

/// kubectl prints such a list if it finds no objects.
#[test]
fn accepts_an_empty_list() {
    const LIST: &str = "apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: \"\"\n";
    for (name, text) in
        [("list.yaml", LIST), ("list.json", r#"{"apiVersion":"v1","kind":"PodList","items":[]}"#)]
    {
        TestDir::new(&[(name, text)]).lint(&["."]).reports(0, &[]).has_lines(0);
    }
    // Without a kind, it is not a Kubernetes list.
    TestDir::new(&[("list.yaml", "items: []\n")]).lint(&["."]).reports(2, &[]);
}

#[cfg(unix)]
fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

#[cfg(unix)]
#[test]
fn reads_pipes_named_as_arguments() {
    // Kustomizations are read in advance to find the patches, but a pipe can be read only once.
    for name in ["pipe", "kustomization.yaml"] {
        let directory = TestDir::new(&[]);
        let pipe = directory.path().join(name);
        make_pipe(&pipe);
        let writer = thread::spawn(move || fs::write(pipe, BAD));
        directory.lint(&[name]).reports(1, &[&format!("{name}:9:7: ")]).has_lines(1);
        writer.join().expect("a writer").expect("a pipe");
    }
}

#[cfg(unix)]
#[test]
fn does_not_block_on_pipes_in_directories() {
    let directory = TestDir::new(&[("bad.yaml", BAD)]);
    make_pipe(&directory.path().join("pipe.yaml"));
    make_pipe(&directory.path().join("pipe"));
    let pipe = "pipe.yaml:1:1: error[unanalyzed-document] could not be read: neither a file nor a directory";
    directory.lint(&["."]).reports(2, &[pipe, "bad.yaml:9:7: "]).has_lines(2);
}

#[cfg(unix)]
#[test]
fn does_not_read_devices_and_sockets() {
    let directory = TestDir::new(&[("bad.yaml", BAD)]);
    let _listener =
        std::os::unix::net::UnixListener::bind(directory.path().join("socket")).expect("a socket");
    directory
        .lint(&["/dev/zero", "socket", "bad.yaml"])
        .reports(
            2,
            &[
                "/dev/zero:1:1: error[unanalyzed-document] could not be read: a device, not a file",
                "socket:1:1: error[unanalyzed-document] could not be read: a socket, not a file",
                "bad.yaml:9:7: ",
            ],
        )
        .has_lines(3);
}

#[test]
fn rejects_deeply_nested_documents() {
    let deep = |open: &str, close: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {}{}\n", open.repeat(100_000), close.repeat(100_000))
    };
    let directory = TestDir::new(&[
        ("bad.yaml", BAD),
        ("block.yaml", &format!("kind: Pod\nspec:\n{}x\n", "- ".repeat(100_000))),
        ("flow.yaml", &deep("[", "]")),
        ("mapping.yaml", &deep("{a: ", "}")),
        ("json.json", &format!("{{\"kind\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000))),
    ]);
    let nested = "error[unanalyzed-document] invalid YAML: nested more than 200 levels deep";
    directory
        .lint(&["."])
        .reports(
            2,
            &[
                &format!("block.yaml:3:399: {nested}"),
                &format!("flow.yaml:3:210: {nested}"),
                "mapping.yaml:3:",
                &format!("json.json:1:209: {nested}"),
                "bad.yaml:9:7: ",
            ],
        )
        .has_lines(5);
}

#[test]
fn rejects_excessive_and_recursive_aliases() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "a: &a {k: v}\n".to_owned();
    for (last, next) in ('a'..='y').zip('b'..='z') {
        bomb += &format!(
            "{next}: &{next} [*{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}]\n"
        );
        merges += &format!("{next}: &{next} {{<<: [*{last}, *{last}, *{last}, *{last}]}}\n");
    }
    let directory = TestDir::new(&[
        ("bad.yaml", BAD),
        ("bomb.yaml", &format!("{bomb}{GOOD}")),
        ("merges.yaml", &format!("{merges}{GOOD}")),
        ("self.yaml", "apiVersion: v1\nkind: Pod\nspec: &s\n  volumes: *s\n"),
    ]);
    let bomb = "error[unanalyzed-document] invalid YAML: document contains excessive aliasing";
    directory
        .lint(&["."])
        .reports(
            2,
            &[
                &format!("bomb.yaml:1:1: {bomb}"),
                &format!("merges.yaml:1:1: {bomb}"),
                "self.yaml:4:12: error[unanalyzed-document] invalid YAML: anchor `s` value contains itself",
                "bad.yaml:9:7: ",
            ],
        )
        .has_lines(4);
}

/// Returns a Pod on one line, with the same finding as [`BAD`] and an annotation.
fn pod_on_one_line(note: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"annotations":{{"note":"{note}"}}}},"spec":{{"containers":[{{"name":"é","volumeMounts":[{{"name":"v","mountPath":"/v"}}]}}],"volumes":[{{"name":"v","hostPath":{{"path":"/srv","type":"Directory"}}}}]}}}}"#
    )
}

#[test]
fn checks_files_with_one_very_long_line() {
    let pods = vec![pod_on_one_line(&"é".repeat(1200)); 2000];
    let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#, pods.join(","));
    assert!(list.len() > 5 << 20);
    // With an unquoted string, this is YAML and not JSON.
    let flow = list.replacen("\"v1\"", "v1", 1);
    let directory = TestDir::new(&[("list.json", &list), ("flow.yaml", &flow)]);
    let run = directory.lint(&["list.json", "flow.yaml"]);
    let column =
        |text: &str| 1 + text[..text.rfind(r#""name":"v","mountPath"#).expect("a mount")].chars().count();
    let lines = [format!("list.json:1:{}: ", column(&list)), format!("flow.yaml:1:{}: ", column(&flow))];
    run.reports(1, &[&lines[0], &lines[1]]).has_lines(4000);
    // The text format shows only a part of the line.
    let run = finish(directory.start(&["lint", "--select", "writable-host-path", "flow.yaml"]));
    run.reports(1, &["Found 2000 problems"]);
    assert!(run.stdout.len() < 4 << 20, "{} bytes", run.stdout.len());
}

#[test]
fn checks_many_documents_and_limits_keys() {
    let stream: String = (pod_on_one_line("") + "\n").repeat(10_000);
    let labels: String = (0..40_000).map(|index| format!("    l{index}: x\n")).collect();
    let keys = format!("{GOOD}  labels:\n{labels}    l0: x\n    <<: {{l1: z}}\n");
    let directory = TestDir::new(&[("stream.json", &stream), ("keys.yaml", &keys)]);
    directory.lint(&["stream.json"]).reports(1, &["stream.json:1:", "stream.json:10000:"]).has_lines(10_000);
    directory.lint(&["keys.yaml"]).reports(0, &[]).has_lines(0);
    let more = keys.replace("    l1: x\n", &labels.replace("    l", "    m"));
    directory.write("more.yaml", more.as_bytes());
    let too_many = "more.yaml:6:5: error[unanalyzed-document] `metadata.labels` of this Pod: ";
    directory.lint(&["more.yaml"]).reports(2, &[too_many]).has_lines(1);
}

#[test]
fn rejects_control_characters() {
    let directory = TestDir::new(&[("bad.yaml", BAD)]);
    directory.write(
        "nul.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: \"éé\"\n  labels: \"a\0b\"\n".as_bytes(),
    );
    directory.write("escape.yaml", b"apiVersion: v1\nkind: \x1b[31mPod\n");
    directory
        .lint(&["."])
        .reports(2, &[
            "nul.yaml:5:13: error[unanalyzed-document] invalid YAML: control characters are not allowed",
            "escape.yaml:2:7: error[unanalyzed-document] invalid YAML: control characters are not allowed",
            "bad.yaml:9:7: ",
        ])
        .has_lines(3);
    let shown = finish(directory.start(&["lint", "."]));
    assert!(!shown.stdout.contains(['\0', '\x1b']), "{:?}", shown.stdout);
}

#[test]
fn accepts_empty_files() {
    let directory = TestDir::new(&[
        ("empty.yaml", ""),
        ("blank.yaml", "\n\n# nothing\n---\n"),
        ("mark.yaml", "\u{FEFF}"),
    ]);
    directory.lint(&["."]).reports(2, &[]).has_lines(0).stderr_contains("no Kubernetes object");
    directory.lint(&[".", "--allow-empty"]).reports(0, &[]).has_lines(0);
    directory.write("bad.yaml", BAD.as_bytes());
    directory.lint(&["."]).reports(1, &["bad.yaml:9:7: "]).has_lines(1);
}

#[test]
fn reads_utf16_with_byte_order_mark() {
    let units =
        |text: &str, unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let marked = format!("\u{FEFF}{BAD}");
    let directory = TestDir::new(&[("bad.yaml", BAD)]);
    directory.write("big.yaml", &units(&marked, u16::to_be_bytes));
    directory.write("little.yaml", &units(&marked, u16::to_le_bytes));
    directory
        .lint(&["."])
        .reports(1, &["big.yaml:9:7: ", "little.yaml:9:7: ", "bad.yaml:9:7: "])
        .has_lines(3);
    directory.write("half.yaml", &[0xFF, 0xFE, b'a']);
    directory.write("lone.yaml", &[0xFF, 0xFE, b'a', 0, 0x00, 0xD8, b'b', 0]);
    directory.write("unmarked.yaml", &units(BAD, u16::to_le_bytes));
    directory
        .lint(&["."])
        .reports(
            2,
            &[
                "half.yaml:1:1: error[unanalyzed-document] not UTF-16: ",
                "lone.yaml:1:1: error[unanalyzed-document] not UTF-16: ",
                "unmarked.yaml:1:2: error[unanalyzed-document] ",
                "bad.yaml:9:7: ",
            ],
        )
        .has_lines(6);
}

#[test]
fn reads_standard_input() {
    let directory = TestDir::new(&[("bad.yaml", BAD)]);
    directory.lint_input(&["-"], BAD).reports(1, &["<stdin>:9:7: "]).has_lines(1);
    let broken = format!("{BAD}---\na: [\n");
    directory
        .lint_input(&["-", "bad.yaml", "--stdin-filename", "charts/web.yaml"], &broken)
        .reports(
            2,
            &["charts/web.yaml:9:7: ", "charts/web.yaml:16:1: error[unanalyzed-document] ", "bad.yaml:9:7: "],
        )
        .has_lines(3);
    directory.lint_input(&["-", "-"], BAD).reports(1, &["<stdin>:9:7: "]).has_lines(1);
    directory.lint_input(&["-"], "").reports(2, &[]).has_lines(0).stderr_contains("no Kubernetes object");
}

#[test]
fn counts_lone_carriage_returns_as_line_breaks() {
    let directory = TestDir::new(&[("a.yaml", &format!("{GOOD}---\n{BAD}").replace('\n', "\r"))]);
    let run = finish(directory.start(&["lint", "--format", "concise", "--select", "dropped-text", "."]));
    run.reports(0, &["a.yaml:5:1: warning[dropped-text] "]).has_lines(1);
}

#[test]
fn text_format_shows_the_location_of_errors() {
    let directory = TestDir::new(&[]);
    directory.write("latin.yaml", b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: caf\xE9\n");
    finish(directory.start(&["lint", "."]))
        .reports(2, &["error[unanalyzed-document]: not UTF-8", "--> latin.yaml:4:12"]);
}

#[test]
fn locates_keys_without_a_colon() {
    let directory = TestDir::new(&[("a.yaml", "kind: Secret\ndata: |\n  x\n$CERTIFICATE\n\n")]);
    let line = "a.yaml:4:1: error[unanalyzed-document] invalid YAML: could not find expected ':'";
    directory.lint(&["a.yaml"]).reports(2, &[line]);
}
