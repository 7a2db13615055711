//! Cleaning and comparison of node paths.

use proptest::prelude::*;
use volcheck::model::{HostPath, PathPattern, Relation, clean_container_path};

/// Generates clean absolute paths that do not begin with an alias.
fn clean_path() -> impl Strategy<Value = String> {
    let first = prop::sample::select(vec!["etc", "run", "srv", "data", "usr", "opt", "proc"]);
    (first, prop::collection::vec("[a-z.]{1,4}", 0..4)).prop_map(|(first, rest)| {
        let rest = rest.into_iter().filter(|name| name != "." && name != "..").map(|name| format!("/{name}"));
        format!("/{first}{}", rest.collect::<String>())
    })
}

/// Adds redundant slashes and `.` segments to `path`.
fn respell(path: &str, noise: &[u8]) -> String {
    let mut noise = noise.iter().cycle();
    let names = path.split('/').filter(|name| !name.is_empty());
    let mut out: String = names
        .map(|name| match noise.next().map_or(0, |byte| byte % 4) {
            0 => format!("/{name}"),
            1 => format!("//{name}"),
            2 => format!("/./{name}"),
            _ => format!("///././{name}"),
        })
        .collect();
    if noise.next().is_some_and(|byte| byte % 2 == 0) {
        out.push('/');
    }
    out
}

proptest! {
    #[test]
    fn clean_paths_are_unchanged(path in clean_path()) {
        prop_assert_eq!(HostPath::new(&path).to_string(), path);
    }

    #[test]
    fn cleaning_is_idempotent(text in "\\PC*") {
        let once = HostPath::new(&text);
        let again = HostPath::new(&once.to_string());
        prop_assert_eq!(once.to_string(), again.to_string());
    }

    #[test]
    fn spellings_of_a_path_are_equal(path in clean_path(), noise in prop::collection::vec(any::<u8>(), 1..8)) {
        prop_assert_eq!(HostPath::new(&respell(&path, &noise)), HostPath::new(&path));
    }

    #[test]
    fn aliases_are_resolved(path in clean_path(), process in 1u32..99999) {
        let target = HostPath::new(&path);
        for alias in [
            format!("/proc/1/root{path}"),
            format!("/proc/self/root{path}"),
            format!("/proc/thread-self/cwd{path}"),
            format!("/proc/{process}/root/proc/1/root{path}"),
            format!("/proc/self/task/{process}/root{path}"),
        ] {
            prop_assert_eq!(HostPath::new(&alias), target.clone(), "{}", alias);
        }
        if let Some(rest) = path.strip_prefix("/run") {
            prop_assert_eq!(HostPath::new(&format!("/var/run{rest}")).to_string(), path.clone());
        }
        for (alias, target) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("sbin", "usr/sbin"), ("var/lock", "run/lock")] {
            prop_assert_eq!(HostPath::new(&format!("/{alias}{path}")).to_string(), format!("/{target}{path}"));
        }
    }

    #[test]
    fn join_equals_concatenation(path in clean_path(), sub in "[a-z/.]{0,8}") {
        prop_assert_eq!(
            HostPath::new(&path).join(&sub).to_string(),
            HostPath::new(&format!("{path}/{sub}")).to_string()
        );
    }

    #[test]
    fn relations_are_symmetric(a in clean_path(), b in clean_path()) {
        let (a, b) = (HostPath::new(&a), HostPath::new(&b));
        let inverse = match b.relation_to(&a) {
            Relation::Equal => Relation::Equal,
            Relation::Ancestor => Relation::Descendant,
            Relation::Descendant => Relation::Ancestor,
            Relation::Unrelated => Relation::Unrelated,
        };
        prop_assert_eq!(a.relation_to(&b), inverse);
        prop_assert_eq!(a.relation_to(&b) == Relation::Equal, a == b);
    }

    #[test]
    fn relations_compare_whole_segments(path in clean_path(), name in "[a-z]{1,5}") {
        let outer = HostPath::new(&path);
        prop_assert_eq!(HostPath::new(&format!("{path}/{name}")).relation_to(&outer), Relation::Descendant);
        prop_assert_eq!(outer.relation_to(&HostPath::new(&format!("{path}/{name}"))), Relation::Ancestor);
        prop_assert_eq!(HostPath::new(&format!("{path}{name}")).relation_to(&outer), Relation::Unrelated);
        prop_assert_eq!(HostPath::new("/").relation_to(&outer), Relation::Ancestor);
    }

    #[test]
    fn patterns_match_their_own_path(path in clean_path()) {
        let pattern = PathPattern::new(&path);
        prop_assert!(pattern.is_some_and(|pattern| HostPath::new(&path).relation(&pattern) == Relation::Equal));
    }

    #[test]
    fn windows_paths_ignore_case_and_slash_direction(names in prop::collection::vec("[A-Za-z0-9]{1,6}", 0..4)) {
        let path = HostPath::new(&format!("C:\\{}", names.join("\\")));
        for spelling in [
            format!("c:/{}", names.join("/")),
            format!("C:\\{}\\", names.join("\\\\")),
            format!("\\\\?\\C:\\{}", names.join("\\")),
            format!("\\\\.\\c:\\{}", names.join("/").to_uppercase()),
        ] {
            prop_assert_eq!(HostPath::new(&spelling), path.clone(), "{}", spelling);
        }
    }

    #[test]
    fn windows_paths_have_many_spellings(
        names in prop::collection::vec("[A-Za-z0-9]{2,6}", 0..4),
        end in "[. ]{0,3}(:[a-z$:]{0,4})?",
    ) {
        let path = HostPath::new(&format!(r"C:\{}", names.join(r"\")));
        let spelled: Vec<_> = names.iter().map(|name| format!("{name}{end}")).collect();
        let (spelled, slashed) = (spelled.join(r"\"), spelled.join("/"));
        for spelling in [
            format!(r"C:\{spelled}"),
            format!(r"C:{spelled}"),
            format!(r"\{spelled}"),
            format!(r"\??\C:\{spelled}"),
            format!(r"\\localhost\C$\{spelled}"),
            format!(r"\\LOCALHOST.\c$\\{spelled}"),
            format!(r"\\127.1.2.3\C$\{spelled}"),
            format!(r"\\node-1\C$\{spelled}"),
            format!(r"\\?\UNC\localhost\c$\{spelled}"),
            format!(r"//?/unc/localhost/c$/{slashed}"),
        ] {
            prop_assert_eq!(HostPath::new(&spelling), path.clone(), "{}", spelling);
            prop_assert_eq!(HostPath::on_windows(&spelling), path.clone(), "{}", spelling);
        }
        for spelling in [
            format!("/{slashed}"),
            format!("/c/{slashed}"),
            format!("//localhost/c$/{slashed}"),
            slashed,
        ] {
            prop_assert_eq!(HostPath::on_windows(&spelling), path.clone(), "{}", spelling);
        }
    }

    #[test]
    fn windows_paths_stay_on_their_drive(names in prop::collection::vec("[a-z]{1,3}|[.]{1,2}", 0..8)) {
        let path = HostPath::new(&format!(r"D:\{}", names.join(r"\")));
        prop_assert!(path.has_drive() && path.to_string().starts_with("d:"), "{}", path);
        prop_assert_eq!(path.has_backstep(), names.iter().any(|name| name == ".."));
    }

    #[test]
    fn joining_a_windows_path_equals_concatenation(
        names in prop::collection::vec("[A-Za-z0-9]{1,6}", 1..4),
        sub in r"[A-Za-z. /\\:$]{0,8}",
    ) {
        let path = format!(r"C:\{}", names.join(r"\"));
        let joined = HostPath::new(&path).join(&sub);
        prop_assert_eq!(joined.to_string(), HostPath::new(&format!(r"{path}\{sub}")).to_string());
    }
}

#[test]
fn slashes_are_cleaned_according_to_path_syntax() {
    let same = |a: &str, b: &str| assert_eq!(HostPath::new(a), HostPath::new(b), "{a} and {b}");
    same("\\\\.\\pipe\\docker_engine", "//./pipe/Docker_Engine");
    same("//./run/docker.sock", "/run/docker.sock");
    same("//var/run/docker.sock", "/run/docker.sock");
    same("/var/run/../run/docker.sock", "/run/docker.sock");
    same("/var/home/a", "/home/a");
    same("/var/roothome/.ssh", "/root/.ssh");
    same("\\Var\\lib/x", "C:\\var\\lib\\x");
    same("\\", "C:\\");
    assert_ne!(HostPath::new("\\\\server\\share"), HostPath::new("/server/share"));
    assert_ne!(HostPath::new("\\\\pipe\\x"), HostPath::new("\\\\.\\pipe\\x"));
    assert_eq!(HostPath::new("\\\\.\\pipe\\X").to_string(), "//./pipe/x");
    assert_eq!(HostPath::new("\\\\Server\\share").to_string(), "\\\\server\\share");
    assert_eq!(HostPath::new("\\\\.\\PhysicalDrive0").to_string(), "\\\\.\\physicaldrive0");
}

#[test]
fn detects_roots_relative_paths_and_backsteps() {
    for root in ["/", "//", "/./", "/proc/1/root", "/proc/1/root/", "C:\\", "c:/", "C:", "\\\\?\\C:\\", "/.."]
    {
        assert!(HostPath::new(root).is_root(), "{root}");
    }
    for other in ["/etc", "C:\\Windows", "\\\\server\\share", "/proc/1", "/proc/x/root"] {
        assert!(!HostPath::new(other).is_root(), "{other}");
    }
    let relative =
        ["var/log", ".", "./x", "~", "~/x", "$(HOME)/x", " /etc", "file:///etc", r"\x", "", "C:x", r"c:..\x"];
    for relative in relative {
        assert!(HostPath::new(relative).is_relative(), "{relative:?}");
    }
    for absolute in ["/", "C:\\x", "c:/x", "\\\\server\\share", "//./pipe/x"] {
        assert!(!HostPath::new(absolute).is_relative(), "{absolute:?}");
    }
    for backstep in
        ["/a/../b", "/..", "C:\\a\\..\\b", "c:/a/../b", r"C:..\b", r"C:\a\.. \b", r"\\localhost\c$\..\b"]
    {
        assert!(HostPath::new(backstep).has_backstep(), "{backstep}");
    }
    for name in ["/a/..b", "/a..b", "/a/.../b", "/%2e%2e/x", "/a\\..\\b"] {
        assert!(!HostPath::new(name).has_backstep(), "{name}");
    }
    assert_eq!(HostPath::new("/a/b/").name(), Some("b"));
    assert_eq!(HostPath::new("/").name(), None);
}

#[test]
fn patterns_match_segments_and_wildcards() {
    let relation = |path: &str, pattern: &str| {
        HostPath::new(path).relation(&PathPattern::new(pattern).unwrap_or_else(|| panic!("{pattern}")))
    };
    assert_eq!(relation("/run/user/1000/docker.sock", "/run/user/*/docker.sock"), Relation::Equal);
    assert_eq!(relation("/run/user/1000", "/run/user/*/docker.sock"), Relation::Ancestor);
    assert_eq!(relation("/run/user/1000/other", "/run/user/*/docker.sock"), Relation::Unrelated);
    assert_eq!(relation("/dev/nvidia0", "/dev/nvidia*"), Relation::Equal);
    assert_eq!(relation("/dev/nvme0", "/dev/nvidia*"), Relation::Unrelated);
    assert_eq!(relation("/a/x.csi", "/a/*.csi"), Relation::Equal);
    assert_eq!(relation("/a/x.csi.d", "/a/*.csi"), Relation::Unrelated);
    assert_eq!(relation("/a/aba", "/a/a*ba"), Relation::Equal);
    assert_eq!(relation("/a/aa", "/a/aa*a"), Relation::Unrelated);
    assert_eq!(relation("/home/a/.aws/credentials", "/home/*/.aws"), Relation::Descendant);
    assert_eq!(relation("/var/lib/dockerx", "/var/lib/docker"), Relation::Unrelated);
}

#[test]
fn rejects_patterns_that_never_match() {
    for text in
        ["", "run", "/run/", "//run", "/run/../x", "/var/run/x", "/bin/sh", "/proc/1/root/x", "/a/./b"]
    {
        assert_eq!(PathPattern::new(text), None, "{text}");
    }
    assert_eq!(PathPattern::new(r"\var\x"), None);
    assert!(PathPattern::in_container("/var/opt/mssql").is_some());
    assert!(PathPattern::in_container("/bin/x").is_some());
}

#[test]
fn named_pipes_begin_with_two_slashes() {
    for text in ["/x./pipe/y", "aa./pipe/y", "/\\./pipe/y"] {
        assert!(!HostPath::new(text).is_windows(), "{text}");
    }
    assert!(HostPath::new("//./pipe/y").is_windows());
}

#[test]
fn container_paths_are_cleaned() {
    for (text, clean) in
        [("/a/b", "/a/b"), ("/", "/"), ("/./.", "/"), ("//", "/"), ("/a/../b", "/b"), ("a/", "/a")]
    {
        assert_eq!(clean_container_path(text), clean, "{text}");
    }
}

#[test]
fn descendants_sort_directly_after_their_ancestor() {
    let mut paths = ["/a-b", "/a/b", "/a", "/"].map(HostPath::new);
    paths.sort();
    assert_eq!(paths.each_ref().map(ToString::to_string), ["/", "/a", "/a/b", "/a-b"]);
    assert!(paths[0] < paths[1]);
}

#[test]
fn resolves_ostree_aliases() {
    for (text, target) in [
        ("/var/home/a", "/home/a"),
        ("/var/roothome", "/root"),
        ("/var/opt/a", "/opt/a"),
        ("/var/mnt/a", "/mnt/a"),
        ("/var/srv", "/srv"),
        ("/var/usrlocal/bin", "/usr/local/bin"),
    ] {
        assert_eq!(HostPath::new(text).to_string(), target, "{text}");
    }
}

#[test]
fn posix_names_may_end_in_a_colon() {
    assert_eq!(HostPath::simplify("/x:/"), "/x:");
}

#[test]
fn unc_servers_are_not_devices() {
    assert_eq!(HostPath::new(r"\\a\b").to_string(), r"\\a\b");
    assert_eq!(HostPath::simplify(r"\\.x\y"), r"\\.x\y");
}

#[test]
fn resolves_windows_aliases() {
    for (text, target) in [
        (r"C:\PROGRA~1\x", "c:/program files/x"),
        (r"C:\progra~2", "c:/program files (x86)"),
        (r"C:\PROGRA~3\docker", "c:/programdata/docker"),
        (r"C:\DOCUME~1\ADMINI~1", "c:/users/administrator"),
        (r"C:\Documents and Settings\All Users", "c:/programdata"),
        (r"\\localhost\ADMIN$\System32", "c:/windows/system32"),
        (r"\\localhost\pipe\x", "//./pipe/x"),
        (r"\\localhost\data\x", r"\\localhost\data\x"),
        (r"\\server\pipe\x", r"\\server\pipe\x"),
        (r"C:\x\PROGRA~1", "c:/x/progra~1"),
        ("/c/Users/me", "c:/users/me"),
        ("/C/WINDOWS", "c:/windows"),
        ("/c/data", "/c/data"),
        ("/d/Users", "/d/Users"),
        ("/c", "/c"),
    ] {
        assert_eq!(HostPath::new(text).to_string(), target, "{text}");
    }
    assert_eq!(HostPath::new("/c").join("Users/me"), HostPath::new("/c/Users/me"));
    assert!(HostPath::new(r"\\localhost\data").is_local_share());
    assert!(!HostPath::new(r"\\server\data").is_local_share());
}

#[test]
fn aliases_without_a_fixed_meaning_are_uncertain() {
    for text in [r"C:\PROGRA~3", r"\\server\C$", "/c/Windows"] {
        assert!(HostPath::new(text).is_uncertain(), "{text}");
        assert_eq!(PathPattern::new(text), None, "{text}");
    }
    for text in [r"C:\ProgramData", r"\\localhost\C$", r"\\?\C:\", "/c/data"] {
        assert!(!HostPath::new(text).is_uncertain(), "{text}");
    }
}

#[test]
fn paths_on_windows_have_a_drive() {
    for (text, target) in [
        ("/", "c:"),
        ("/var/log", "c:/var/log"),
        ("var/log", "c:/var/log"),
        ("/c/x", "c:/x"),
        ("/k/azure.json", "c:/k/azure.json"),
        (r"D:\x", "d:/x"),
        ("//./pipe/x", "//./pipe/x"),
        ("//./x", r"\\.\x"),
        ("//server/share", r"\\server\share"),
    ] {
        assert_eq!(HostPath::on_windows(text).to_string(), target, "{text}");
    }
    assert!(HostPath::on_windows("var/log").is_relative());
    assert!(!HostPath::on_windows("/var/log").is_relative());
}
