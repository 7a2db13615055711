//! Bad input: the program run over it says what it couldn't judge and where, judges the rest, and ends in 2.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// A Pod with one error of `writable-host-path`, on the line 9.
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

/// What a run has said.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Fails unless the run ended in `code` and each of `lines` begins a line of its report.
    #[track_caller]
    fn says(&self, code: i32, lines: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        for line in lines {
            assert!(self.out.lines().any(|own| own.starts_with(line)), "no line `{line}` in:\n{}", self.out);
        }
        self
    }

    /// Fails unless the report has just so many lines.
    #[track_caller]
    fn in_lines(&self, count: usize) -> &Self {
        assert_eq!(self.out.lines().count(), count, "{}", self.out);
        self
    }

    #[track_caller]
    fn complains(&self, text: &str) -> &Self {
        assert!(self.err.contains(text), "no `{text}` in:\n{}", self.err);
        self
    }
}

/// A folder of manifests.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        files.iter().for_each(|(name, text)| folder.write(name, text.as_bytes()));
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    /// Starts the program in the folder.
    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_volcheck"));
        command.args(arguments).current_dir(self.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program")
    }

    /// Runs `volcheck lint` with one line per finding.
    fn lint(&self, arguments: &[&str]) -> Ran {
        self.lint_input(arguments, "")
    }

    fn lint_input(&self, arguments: &[&str], input: &str) -> Ran {
        let fixed = ["lint", "--format", "concise", "--select", "writable-host-path"];
        let mut child = self.start(&[&fixed, arguments].concat());
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        ended(child)
    }
}

/// Waits for the end of a run, which must come soon.
#[track_caller]
fn ended(mut child: Child) -> Ran {
    fn reading(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
        thread::spawn(move || {
            let mut text = String::new();
            from.read_to_string(&mut text).expect("UTF-8");
            text
        })
    }
    let out = reading(child.stdout.take().expect("a pipe"));
    let err = reading(child.stderr.take().expect("a pipe"));
    // A run that waits for something that never comes must not keep the tests.
    let mut looks = (0..12_000).map(|_| {
        thread::sleep(Duration::from_millis(5));
        child.try_wait().expect("a child")
    });
    let Some(status) = looks.find_map(|status| status) else {
        child.kill().expect("a child");
        panic!("the run doesn't end");
    };
    let (out, err) = (out.join().expect("a reader"), err.join().expect("a reader"));
    Ran { code: status.code().expect("no signal"), out, err }
}

#[test]
fn a_file_that_is_not_there() {
    let folder = Folder::new(&[("bad.yaml", BAD)]);
    folder
        .lint(&["gone.yaml", "bad.yaml"])
        .says(
            2,
            &[
                "gone.yaml:1:1: error[unanalyzed-document] can't be read: no such file or folder",
                "bad.yaml:9:7: ",
            ],
        )
        .in_lines(2);
}

#[cfg(unix)]
#[test]
fn a_file_and_a_folder_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new(&[("a/bad.yaml", BAD), ("a/locked.yaml", BAD), ("closed/bad.yaml", BAD)]);
    let locked = folder.path().join("a/locked.yaml");
    let forbid =
        |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("permissions");
    forbid(&locked);
    forbid(&folder.path().join("closed"));
    let is_root = fs::read(&locked).is_ok();
    let ran = folder.lint(&["."]);
    fs::set_permissions(folder.path().join("closed"), fs::Permissions::from_mode(0o755))
        .expect("permissions");
    if is_root {
        ran.says(1, &["a/bad.yaml:9:7: ", "a/locked.yaml:9:7: "]);
        return;
    }
    let locked = "a/locked.yaml:1:1: error[unanalyzed-document] can't be read: permission denied";
    let closed = "closed:1:1: error[unanalyzed-document] can't be read: permission denied";
    ran.says(2, &[locked, closed, "a/bad.yaml:9:7: "]).in_lines(3);
}

#[test]
fn host_paths_that_cost_too_much_to_judge() {
    let folder = Folder::new(&[("bad.yaml", BAD)]);
    let long = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers: [{{name: c, image: i}}]\n  volumes:\n  \
         - name: v\n    hostPath: {{path: {}}}\n",
        "/a".repeat(3000)
    );
    folder.write("long.yaml", long.as_bytes());
    let place = "long.yaml:8:22: error[unanalyzed-document] `spec.volumes[0].hostPath.path` of this Pod: path is longer than";
    folder.lint(&["."]).says(2, &["bad.yaml:9:7: ", place]).in_lines(2);
}

#[test]
fn bytes_that_are_not_utf_8() {
    let folder = Folder::new(&[("bad.yaml", BAD)]);
    folder.write("latin.yaml", b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: \"caf\xE9\"\n");
    folder
        .lint(&["."])
        .says(2, &["latin.yaml:4:13: error[unanalyzed-document] not UTF-8: byte 0xE9 ", "bad.yaml:9:7: "])
        .in_lines(2);
}

#[test]
fn a_broken_document_between_two_that_are_judged() {
    let folder = Folder::new(&[("a.yaml", &format!("{BAD}---\nkind: Pod\n  bad: [indent\n---\n{BAD}"))]);
    folder
        .lint(&["."])
        .says(2, &["a.yaml:9:7: ", "a.yaml:16:6: error[unanalyzed-document] not YAML", "a.yaml:26:7: "])
        .in_lines(3);
}

#[test]
fn a_field_of_the_wrong_type() {
    let wrong = BAD.replace("mountPath: /logs", "readOnly: 3");
    let folder = Folder::new(&[("a.yaml", &format!("{wrong}---\n{BAD}"))]);
    let line = "a.yaml:10:17: error[invalid-field-value] `spec.containers[0].volumeMounts[0].readOnly` of this Pod: ";
    folder.lint(&["."]).says(2, &[line, "a.yaml:23:7: "]).in_lines(2);
}

#[test]
fn raw_templates_are_said_once_per_chart() {
    let raw = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n";
    let folder = Folder::new(&[
        ("one/Chart.yaml", "apiVersion: v2\nname: one\n"),
        ("one/templates/a.yaml", raw),
        ("one/templates/b.yaml", raw),
        ("one/templates/sub/c.yaml", "{{- if .Values.c }}\nkind: Pod\n{{- end }}\n"),
        ("one/charts/inner/templates/d.yaml", raw),
        ("two/templates/a.yaml", raw),
        ("bad.yaml", BAD),
    ]);
    let raw = "error[unanalyzed-document] a raw template, which is no YAML before it is rendered";
    folder
        .lint(&["."])
        .says(
            2,
            &[
                &format!("one/templates/a.yaml:4:9: {raw}, as are 2 more in the chart `one`"),
                &format!("one/charts/inner/templates/d.yaml:4:9: {raw}"),
                &format!("two/templates/a.yaml:4:9: {raw}"),
                "bad.yaml:9:7: ",
            ],
        )
        .in_lines(4);
    folder.lint(&[".", "--exclude", "**/templates/**"]).says(1, &["bad.yaml:9:7: "]).in_lines(1);
}

#[test]
fn flags_rules_and_globs_that_are_not_known() {
    let folder = Folder::new(&[("good.yaml", GOOD)]);
    folder.lint(&["--selekt", "x", "."]).says(2, &[]).in_lines(0).complains("--select");
    let ran = ended(folder.start(&["lint", "--select", "writeable-host-path", "."]));
    ran.says(2, &[]).in_lines(0).complains("did you mean `writable-host-path`?");
    let ran = ended(folder.start(&["lint", "--ignore", "nothing-like-it", "."]));
    ran.says(2, &[]).in_lines(0).complains("unknown rule `nothing-like-it`; `volcheck rules` lists them all");
    folder.lint(&["--exclude", "a[", "."]).says(2, &[]).in_lines(0).complains("a[");
    let ran = ended(folder.start(&["lint", "--format", "xml", "."]));
    ran.says(2, &[]).in_lines(0).complains("text, concise, json, jsonl, sarif");
}

#[test]
fn nothing_to_check() {
    let folder = Folder::new(&[("notes.txt", "nothing"), ("list.yaml", "- no\n- object\n")]);
    folder.lint(&["."]).says(2, &[]).complains("no Kubernetes object");
    folder.lint(&[".", "--allow-empty"]).says(0, &[]).in_lines(0);
    // What was asked for by name and isn't there is another matter.
    let missing = "*.yml:1:1: error[unanalyzed-document] can't be read: no file matches the glob";
    folder.lint(&["*.yml", "--allow-empty"]).says(2, &[missing]).in_lines(1);
    folder
        .lint(&["sub/*.yml", "--allow-empty"])
        .says(2, &["sub/*.yml:1:1: error[unanalyzed-document] "])
        .in_lines(1);
}

#[cfg(unix)]
#[test]
fn links_that_lead_in_a_loop_or_nowhere() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new(&[("a/b/bad.yaml", BAD)]);
    symlink("..", folder.path().join("a/b/up")).expect("a link");
    symlink("gone.yaml", folder.path().join("a/dead.yaml")).expect("a link");
    folder
        .lint(&["."])
        .says(
            2,
            &[
                "a/b/up:1:1: error[unanalyzed-document] can't be read: a link to a, which it is in: a loop",
                "a/dead.yaml:1:1: error[unanalyzed-document] can't be read: no such file or folder",
                "a/b/bad.yaml:9:7: ",
            ],
        )
        .in_lines(3);
}

#[cfg(unix)]
fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

#[cfg(unix)]
#[test]
fn a_pipe_that_is_named_is_read() {
    // A kustomization is looked at before the others are read.
    for name in ["pipe", "kustomization.yaml"] {
        let folder = Folder::new(&[]);
        let pipe = folder.path().join(name);
        make_pipe(&pipe);
        let writer = thread::spawn(move || fs::write(pipe, BAD));
        folder.lint(&[name]).says(1, &[&format!("{name}:9:7: ")]).in_lines(1);
        writer.join().expect("a writer").expect("a pipe");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_folder_is_said_and_not_waited_for() {
    let folder = Folder::new(&[("bad.yaml", BAD)]);
    make_pipe(&folder.path().join("pipe.yaml"));
    make_pipe(&folder.path().join("pipe"));
    let pipe = "pipe.yaml:1:1: error[unanalyzed-document] can't be read: neither a file nor a folder";
    folder.lint(&["."]).says(2, &[pipe, "bad.yaml:9:7: "]).in_lines(2);
}

#[cfg(unix)]
#[test]
fn devices_and_sockets_are_not_read() {
    let folder = Folder::new(&[("bad.yaml", BAD)]);
    let _listener = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("a socket");
    folder
        .lint(&["/dev/zero", "socket", "bad.yaml"])
        .says(
            2,
            &[
                "/dev/zero:1:1: error[unanalyzed-document] can't be read: a device, not a file",
                "socket:1:1: error[unanalyzed-document] can't be read: a socket, not a file",
                "bad.yaml:9:7: ",
            ],
        )
        .in_lines(3);
}

#[test]
fn documents_that_are_nested_too_deep() {
    let deep = |open: &str, close: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {}{}\n", open.repeat(100_000), close.repeat(100_000))
    };
    let folder = Folder::new(&[
        ("bad.yaml", BAD),
        ("block.yaml", &format!("kind: Pod\nspec:\n{}x\n", "- ".repeat(100_000))),
        ("flow.yaml", &deep("[", "]")),
        ("mapping.yaml", &deep("{a: ", "}")),
        ("json.json", &format!("{{\"kind\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000))),
    ]);
    let nested = "error[unanalyzed-document] not YAML that kubectl reads: nested more than 200 levels deep";
    folder
        .lint(&["."])
        .says(
            2,
            &[
                &format!("block.yaml:3:399: {nested}"),
                &format!("flow.yaml:3:210: {nested}"),
                "mapping.yaml:3:",
                &format!("json.json:1:209: {nested}"),
                "bad.yaml:9:7: ",
            ],
        )
        .in_lines(5);
}

#[test]
fn aliases_that_would_blow_up() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "a: &a {k: v}\n".to_owned();
    for (last, next) in ('a'..='y').zip('b'..='z') {
        bomb += &format!(
            "{next}: &{next} [*{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}]\n"
        );
        merges += &format!("{next}: &{next} {{<<: [*{last}, *{last}, *{last}, *{last}]}}\n");
    }
    let folder = Folder::new(&[
        ("bad.yaml", BAD),
        ("bomb.yaml", &format!("{bomb}{GOOD}")),
        ("merges.yaml", &format!("{merges}{GOOD}")),
        ("self.yaml", "apiVersion: v1\nkind: Pod\nspec: &s\n  volumes: *s\n"),
    ]);
    let bomb = "error[unanalyzed-document] not YAML that kubectl reads: document contains excessive aliasing";
    folder
        .lint(&["."])
        .says(2, &[
            &format!("bomb.yaml:1:1: {bomb}"),
            &format!("merges.yaml:1:1: {bomb}"),
            "self.yaml:4:12: error[unanalyzed-document] not YAML that kubectl reads: anchor `s` value contains itself",
            "bad.yaml:9:7: ",
        ])
        .in_lines(4);
}

/// A Pod in one line, with the same error as [`BAD`] and a note.
fn in_one_line(note: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"annotations":{{"note":"{note}"}}}},"spec":{{"containers":[{{"name":"é","volumeMounts":[{{"name":"v","mountPath":"/v"}}]}}],"volumes":[{{"name":"v","hostPath":{{"path":"/srv","type":"Directory"}}}}]}}}}"#
    )
}

#[test]
fn megabytes_in_one_line() {
    let pods = vec![in_one_line(&"é".repeat(1200)); 2000];
    let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#, pods.join(","));
    assert!(list.len() > 5 << 20);
    // Not JSON, so the YAML parser reads it.
    let flow = list.replacen("\"v1\"", "v1", 1);
    let folder = Folder::new(&[("list.json", &list), ("flow.yaml", &flow)]);
    let ran = folder.lint(&["list.json", "flow.yaml"]);
    let column =
        |text: &str| 1 + text[..text.rfind(r#""name":"v","mountPath"#).expect("a mount")].chars().count();
    let lines = [format!("list.json:1:{}: ", column(&list)), format!("flow.yaml:1:{}: ", column(&flow))];
    ran.says(1, &[&lines[0], &lines[1]]).in_lines(4000);
    // For people, too, who see a part of the line.
    let ran = ended(folder.start(&["lint", "--select", "writable-host-path", "flow.yaml"]));
    ran.says(1, &["Found 2000 problems"]);
    assert!(ran.out.len() < 4 << 20, "{} bytes", ran.out.len());
}

#[test]
fn many_small_documents_and_many_keys() {
    let stream: String = (in_one_line("") + "\n").repeat(10_000);
    let labels: String = (0..40_000).map(|index| format!("    l{index}: x\n")).collect();
    let keys = format!("{GOOD}  labels:\n{labels}    l0: x\n    <<: {{l1: z}}\n");
    let folder = Folder::new(&[("stream.json", &stream), ("keys.yaml", &keys)]);
    folder.lint(&["stream.json"]).says(1, &["stream.json:1:", "stream.json:10000:"]).in_lines(10_000);
    folder.lint(&["keys.yaml"]).says(0, &[]).in_lines(0);
    let more = keys.replace("    l1: x\n", &labels.replace("    l", "    m"));
    folder.write("more.yaml", more.as_bytes());
    let too_many =
        "more.yaml:6:5: error[unanalyzed-document] `metadata.labels` of this Pod: too many items to check";
    folder.lint(&["more.yaml"]).says(2, &[too_many]).in_lines(1);
}

#[test]
fn characters_that_are_not_text() {
    let folder = Folder::new(&[("bad.yaml", BAD)]);
    folder.write(
        "nul.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: \"éé\"\n  labels: \"a\0b\"\n".as_bytes(),
    );
    folder.write("escape.yaml", b"apiVersion: v1\nkind: \x1b[31mPod\n");
    folder
        .lint(&["."])
        .says(2, &[
            "nul.yaml:5:13: error[unanalyzed-document] not YAML that kubectl reads: control characters are not allowed",
            "escape.yaml:2:7: error[unanalyzed-document] not YAML that kubectl reads: control characters are not allowed",
            "bad.yaml:9:7: ",
        ])
        .in_lines(3);
    let shown = ended(folder.start(&["lint", "."]));
    assert!(!shown.out.contains(['\0', '\x1b']), "{:?}", shown.out);
}

#[test]
fn empty_files() {
    let folder =
        Folder::new(&[("empty.yaml", ""), ("blank.yaml", "\n\n# nothing\n---\n"), ("mark.yaml", "\u{FEFF}")]);
    folder.lint(&["."]).says(2, &[]).in_lines(0).complains("no Kubernetes object");
    folder.lint(&[".", "--allow-empty"]).says(0, &[]).in_lines(0);
    folder.write("bad.yaml", BAD.as_bytes());
    folder.lint(&["."]).says(1, &["bad.yaml:9:7: "]).in_lines(1);
}

#[test]
fn utf_16() {
    let units =
        |text: &str, unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let marked = format!("\u{FEFF}{BAD}");
    let folder = Folder::new(&[("bad.yaml", BAD)]);
    folder.write("big.yaml", &units(&marked, u16::to_be_bytes));
    folder.write("little.yaml", &units(&marked, u16::to_le_bytes));
    folder.lint(&["."]).says(1, &["big.yaml:9:7: ", "little.yaml:9:7: ", "bad.yaml:9:7: "]).in_lines(3);
    folder.write("half.yaml", &[0xFF, 0xFE, b'a']);
    folder.write("lone.yaml", &[0xFF, 0xFE, b'a', 0, 0x00, 0xD8, b'b', 0]);
    folder.write("unmarked.yaml", &units(BAD, u16::to_le_bytes));
    folder
        .lint(&["."])
        .says(
            2,
            &[
                "half.yaml:1:1: error[unanalyzed-document] not UTF-16: ",
                "lone.yaml:1:1: error[unanalyzed-document] not UTF-16: ",
                "unmarked.yaml:1:2: error[unanalyzed-document] ",
                "bad.yaml:9:7: ",
            ],
        )
        .in_lines(6);
}

#[test]
fn standard_input() {
    let folder = Folder::new(&[("bad.yaml", BAD)]);
    folder.lint_input(&["-"], BAD).says(1, &["<stdin>:9:7: "]).in_lines(1);
    let broken = format!("{BAD}---\na: [\n");
    folder
        .lint_input(&["-", "bad.yaml", "--stdin-filename", "charts/web.yaml"], &broken)
        .says(
            2,
            &["charts/web.yaml:9:7: ", "charts/web.yaml:16:1: error[unanalyzed-document] ", "bad.yaml:9:7: "],
        )
        .in_lines(3);
    folder.lint_input(&["-", "-"], BAD).says(1, &["<stdin>:9:7: "]).in_lines(1);
    folder.lint_input(&["-"], "").says(2, &[]).in_lines(0).complains("no Kubernetes object");
}

#[test]
fn lines_that_end_in_carriage_returns_alone() {
    let folder = Folder::new(&[("a.yaml", &format!("{GOOD}---\n{BAD}").replace('\n', "\r"))]);
    let ran = ended(folder.start(&["lint", "--format", "concise", "--select", "dropped-text", "."]));
    ran.says(0, &["a.yaml:5:1: warning[dropped-text] "]).in_lines(1);
}

#[test]
fn what_is_said_has_a_place_for_people_too() {
    let folder = Folder::new(&[]);
    folder.write("latin.yaml", b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: caf\xE9\n");
    ended(folder.start(&["lint", "."]))
        .says(2, &["error[unanalyzed-document]: not UTF-8", "--> latin.yaml:4:12"]);
}

#[test]
fn a_key_without_a_colon_is_the_place_and_not_the_line_after_it() {
    let folder = Folder::new(&[("a.yaml", "kind: Secret\ndata: |\n  x\n$CERTIFICATE\n\n")]);
    let place =
        "a.yaml:4:1: error[unanalyzed-document] not YAML that kubectl reads: could not find expected ':'";
    folder.lint(&["a.yaml"]).says(2, &[place]);
}
