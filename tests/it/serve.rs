//! The webhook's server, asked as the API server asks.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::server::{
    Authority, BAD, Client, GOOD, Identity, LONG, NAME, POLICY, Server, command, post, read_answer, review,
};
use crate::support::folder;

#[test]
fn a_review_gets_its_verdict_a_log_line_and_a_count() {
    let mut server = Server::start(&[]);
    let mut client = server.client();
    assert_eq!(server.admin("/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(server.admin("/livez").0, 200);
    assert_eq!(server.admin("/version"), (200, format!("{}\n", env!("CARGO_PKG_VERSION"))));
    for _ in 0..3 {
        let answer = client.review(&review(GOOD)).expect("an answer");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert!(answer.allowed() && answer.header("connection").is_none());
    }
    let denied = client.review(&review(BAD)).expect("an answer");
    assert!(denied.status == 200 && !denied.allowed());
    assert!(
        denied.body.contains("volcheck: 1 problem in Pod shop/p: [sensitive-host-path]"),
        "{}",
        denied.body
    );
    let advised =
        client.ask(&post("/advise", "application/json; charset=utf-8"), &review(BAD)).expect("an answer");
    assert!(advised.allowed() && advised.body.contains("\"warnings\":["), "{}", advised.body);
    assert!(
        !client.ask(&post("/validate/deny", "application/json"), &review(BAD)).expect("an answer").allowed()
    );
    let line = server.logged("denied");
    for (key, value) in [
        ("level", "INFO"),
        ("uid", "u-1"),
        ("operation", "CREATE"),
        ("resource", "pods"),
        ("namespace", "shop"),
        ("name", "p"),
        ("user", "alice"),
        ("rules", "sensitive-host-path"),
        ("endpoint", "validate"),
    ] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    let of = |endpoint, decision| {
        server.metric(&format!("volcheck_admission_requests_total{{endpoint=\"{endpoint}\",decision=\"{decision}\",operation=\"CREATE\",resource=\"pods\",subresource=\"\",dry_run=\"false\"}}"))
    };
    assert_eq!((of("validate", "allow"), of("validate", "deny")), (3.0, 1.0));
    assert_eq!((of("advise", "warn"), of("strict", "deny")), (1.0, 1.0));
    assert_eq!(server.metric("volcheck_admission_requests_total"), 6.0);
    for name in ["admission_request_duration_seconds", "evaluation_duration_seconds", "request_bytes"] {
        assert_eq!(server.metric(&format!("volcheck_{name}_count")), 6.0, "{name}");
    }
    assert_eq!(server.metric("volcheck_in_flight"), 0.0);
    assert_eq!(
        server.metric("volcheck_findings_total{rule=\"sensitive-host-path\",severity=\"error\"}"),
        3.0
    );
    let (_, metrics) = server.admin("/metrics");
    assert!(
        metrics.contains("volcheck_policy_info{hash=\"") && metrics.trim_end().ends_with("# EOF"),
        "{metrics}"
    );
    server.signal("-TERM");
    drop(client);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn what_is_no_review_gets_the_status_that_says_why() {
    let server = Server::start(&["--max-body", "100000"]);
    let json = "application/json";
    let deep = format!("{}{}", "[".repeat(40_000), "]".repeat(40_000));
    for (head, body, status) in [
        (post("/validate", "text/plain"), review(GOOD), 415),
        (post("/validate", "application/yaml"), review(GOOD), 415),
        (post("/validate", json), String::new(), 400),
        (post("/validate", json), "{}".to_owned(), 400),
        (post("/validate", json), review(BAD)[..100].to_owned(), 400),
        (
            post("/validate", json),
            review(BAD).replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
            400,
        ),
        (post("/validate", json), review(BAD).replace("\"uid\":\"u-1\"", "\"uid\":\"\""), 400),
        (post("/validate", json), deep, 400),
        (post("/validate", json), " ".repeat(100_001), 413),
        (post("/", json), review(GOOD), 404),
        (post("/validate/", json), review(GOOD), 404),
        (post("/metrics", json), review(GOOD), 404),
        (post("/validate", json).replacen("POST", "GET", 1), String::new(), 405),
        (post("/validate", json).replacen("POST", "PUT", 1), review(GOOD), 405),
    ] {
        let mut client = server.client();
        let answer = client.ask(&head, &body).unwrap_or_else(|error| panic!("{head}: {error}"));
        assert_eq!(answer.status, status, "{head}{}", &body[..body.len().min(100)]);
        assert_eq!(answer.header("connection"), Some("close"), "{head}");
        assert!(!answer.body.contains("allowed"), "{}", answer.body);
    }
    // Not JSON in the encoding that JSON has.
    let mut client = server.client();
    client
        .0
        .get_mut()
        .write_all(format!("{}Content-Length: 2\r\n\r\n", post("/validate", json)).as_bytes())
        .expect("sent");
    client.0.get_mut().write_all(b"\xff\xfe").expect("sent");
    assert_eq!(read_answer(&mut client.0).expect("an answer").status, 400);
    // Larger than it says it is, in chunks.
    let mut client = server.client();
    let mut chunked = format!("{}Transfer-Encoding: chunked\r\n\r\n", post("/validate", json));
    (0..20).for_each(|_| chunked.push_str(&format!("2000\r\n{}\r\n", " ".repeat(0x2000))));
    chunked.push_str("0\r\n\r\n");
    let _ = client.0.get_mut().write_all(chunked.as_bytes());
    let _ = client.0.get_mut().flush();
    assert_eq!(read_answer(&mut client.0).expect("an answer").status, 413);
    for (kind, count) in [("decode", 9.0), ("too_large", 2.0), ("request", 5.0)] {
        let metric = format!("volcheck_errors_total{{kind=\"{kind}\"}}");
        assert!(server.metric(&metric) >= count, "{metric}: {}", server.metric(&metric));
    }
    for (status, count) in [(415, 2), (400, 6), (413, 1)] {
        assert!((0..count).all(|_| server.logged("no verdict")["status"] == status), "{status}");
    }
    assert_eq!(server.logged("no review")["status"], 404);
    assert!(server.client().review(&review(GOOD)).expect("an answer").allowed());
}

#[test]
fn an_object_that_can_t_be_read_is_denied_and_said() {
    let server = Server::start(&[]);
    let broken = review(BAD).replace("\"volumes\":[", "\"volumes\":[3,");
    let mut client = server.client();
    let answer = client.review(&broken).expect("an answer");
    assert!(answer.status == 200 && !answer.allowed(), "{answer:?}");
    assert!(client.ask(&post("/advise", "application/json"), &broken).expect("an answer").allowed());
    assert_eq!(server.logged("the object can't be read")["level"], "WARN");
    assert_eq!(server.metric("volcheck_errors_total{kind=\"object\"}"), 2.0);
}

#[test]
fn what_is_no_client_of_tls_doesn_t_disturb_the_others() {
    let server = Server::start(&["--read-timeout", "1"]);
    let mut kept = server.client();
    assert!(kept.review(&review(GOOD)).expect("an answer").allowed());
    let half_open = TcpStream::connect(server.address).expect("a connection");
    let mut plain = TcpStream::connect(server.address).expect("a connection");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    let mut garbage = TcpStream::connect(server.address).expect("a connection");
    garbage.write_all(&[0x16, 3, 1, 0xff, 0xff, 7, 7, 7]).expect("sent");
    let silent = server.client();
    // A head, and a body that never comes.
    let mut slow = server.client();
    slow.0
        .get_mut()
        .write_all(
            format!("{}Content-Length: 100\r\n\r\n{{", post("/validate", "application/json")).as_bytes(),
        )
        .expect("sent");
    slow.0.get_mut().flush().expect("sent");
    assert_eq!(read_answer(&mut slow.0).expect("an answer").status, 408);
    // All of them are closed by the server, in their time.
    for mut stream in [half_open, plain, garbage] {
        stream.set_read_timeout(Some(LONG)).expect("set");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    let mut silent = silent.0;
    assert!(matches!(silent.read(&mut [0; 1]), Ok(0) | Err(_)));
    server.counts("volcheck_errors_total{kind=\"tls\"}", 3.0);
    server.counts("volcheck_errors_total{kind=\"timeout\"}", 1.0);
    server.counts("volcheck_errors_total{kind=\"connection\"}", 1.0);
    server.logged("a connection came to nothing");
    assert!(kept.review(&review(GOOD)).expect("an answer").allowed(), "a connection that has asked stays");
}

#[test]
fn a_thousand_connections_that_only_wait_leave_room_for_who_asks() {
    let server = Server::start(&["--max-connections", "1100"]);
    let idle: Vec<_> = (0..1000).map(|_| TcpStream::connect(server.address).expect("a connection")).collect();
    let mut client = server.client();
    assert!(client.review(&review(GOOD)).expect("an answer").allowed());
    assert!(!client.review(&review(BAD)).expect("an answer").allowed());
    drop(idle);
}

/// What the API server sends at most: an object and its old one, each as large as etcd takes; and more than that.
#[test]
fn bodies_of_seven_mebibytes_are_taken_and_larger_ones_are_not() {
    let server = Server::start(&[]);
    let filler = "x".repeat(3 << 19);
    let pod = |path: &str| {
        let mut review: Value = serde_json::from_str(&review(path)).expect("JSON");
        review["request"]["object"]["metadata"]["annotations"] = json!({"x": filler});
        review
    };
    let mut update = pod(BAD);
    update["request"]["operation"] = json!("UPDATE");
    update["request"]["oldObject"] = pod(GOOD)["request"]["object"].take();
    let update = update.to_string();
    assert!(update.len() > 3 << 20);
    let mut client = server.client();
    let mut asked = |bytes: usize| {
        let padded = update.clone() + &" ".repeat(bytes - update.len());
        client.ask(&post("/validate?timeout=30s", "application/json"), &padded).expect("an answer")
    };
    assert!(!asked(update.len()).allowed());
    assert!(!asked(7 << 20).allowed());
    assert_eq!(asked((7 << 20) + 1).status, 413);
}

/// What the server answers to a ClientHello (RFC 5246, section 7.4.1.2) of the version `3.minor`: its first seven bytes.
fn answer_to_hello(server: &Server, minor: u8) -> [u8; 7] {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    // No session, the suite ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression.
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    // The extensions: the group x25519, plain points, ECDSA with P-256 and SHA-256.
    hello.extend([0, 22, 0, 10, 0, 4, 0, 2, 0, 29, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = hello.len() as u8;
    let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("set");
    stream.write_all(&record).expect("sent");
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).expect("an answer");
    answer
}

#[test]
fn older_versions_of_tls_are_refused() {
    let server = Server::start(&[]);
    assert_eq!(answer_to_hello(&server, 3)[0], 0x16, "a handshake of TLS 1.2");
    for minor in [1, 2] {
        // A fatal alert: protocol_version.
        assert_eq!(answer_to_hello(&server, minor), [0x15, 3, 3, 0, 2, 2, 70], "TLS 1.{}", minor - 1);
    }
}

/// Clients that promise bodies of so many bytes, and send one.
fn promising(server: &Server, clients: usize, bytes: usize) -> Vec<Client> {
    let head = post("/validate?timeout=30s", "application/json");
    let promise = format!("{head}Content-Length: {bytes}\r\n\r\n{{");
    let promised = |_| {
        let mut client = server.client();
        client.0.get_mut().write_all(promise.as_bytes()).expect("sent");
        client.0.get_mut().flush().expect("sent");
        client
    };
    (0..clients).map(promised).collect()
}

#[test]
fn large_bodies_that_are_promised_and_do_not_come_leave_room_for_the_others() {
    let server = Server::start(&[]);
    // More than there is room for.
    let promised = promising(&server, 12, 7_000_000);
    for _ in 0..20 {
        assert!(server.client().review(&review(GOOD)).expect("an answer").allowed());
    }
    drop(promised);
}

/// A connection from another address of this machine than all others come from.
fn from_elsewhere(address: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let connected = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind("127.0.0.2:0".parse().expect("an address"))?;
        socket.connect(address).await?.into_std()
    });
    let stream = connected.expect("a connection");
    stream.set_nonblocking(false).expect("set");
    stream
}

/// Who can reach the port can hold connections open: silent ones, and such that have asked.
#[test]
fn who_holds_all_connections_gives_way_to_who_holds_less() {
    let server =
        Server::start(&["--max-connections", "8", "--read-timeout", "3600", "--idle-timeout", "3600"]);
    let elsewhere = || Client::over(from_elsewhere(server.address), &server.authority, None).expect("TLS");
    let mut kept = elsewhere();
    assert!(kept.review(&review(GOOD)).expect("an answer").allowed());
    let mut asked: Vec<_> = (0..7).map(|_| server.client()).collect();
    for client in &mut asked[1..] {
        assert!(client.review(&review(GOOD)).expect("an answer").allowed());
    }
    let silent: Vec<_> = (0..12).map(|_| TcpStream::connect(server.address).expect("a connection")).collect();
    for _ in 0..3 {
        assert!(elsewhere().review(&review(GOOD)).expect("an answer").allowed());
        assert!(!kept.review(&review(BAD)).expect("an answer on the same connection").allowed());
    }
    drop((asked, silent));
}

#[test]
fn who_holds_all_connections_of_the_admin_port_keeps_no_probe_from_it() {
    let server = Server::start(&["--read-timeout", "3600", "--idle-timeout", "3600"]);
    let held: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(server.admin).expect("a connection");
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
            stream
        })
        .collect();
    let mut probe = from_elsewhere(server.admin);
    probe.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    assert_eq!(read_answer(&mut BufReader::new(probe)).expect("an answer").status, 200);
    drop(held);
}

#[test]
fn small_bodies_that_are_promised_and_do_not_come_leave_room_for_the_others() {
    let server = Server::start(&["--read-timeout", "3600"]);
    let promised = promising(&server, 250, 262_144);
    for _ in 0..20 {
        let answer = server.client().review(&review(GOOD)).expect("an answer");
        assert_eq!(answer.status, 200);
    }
    drop(promised);
}

#[test]
fn connections_beyond_the_limit_wait_and_are_not_reset() {
    let server = Server::start(&["--max-connections", "1"]);
    let mut first = server.client();
    assert!(first.review(&review(GOOD)).expect("an answer").allowed());
    let (address, authority) = (server.address, &server.authority);
    thread::scope(|scope| {
        let second = scope.spawn(move || {
            Client::connect(address, authority, None).and_then(|mut client| client.review(&review(BAD)))
        });
        assert!(first.review(&review(GOOD)).expect("an answer").allowed());
        drop(first);
        assert!(!second.join().expect("a thread").expect("an answer").allowed());
    });
}

#[test]
fn a_new_certificate_is_served_and_a_bad_one_is_not() {
    let server = Server::start(&[]);
    let mut kept = server.client();
    let first = kept.serves();
    assert!(kept.review(&review(GOOD)).expect("an answer").allowed());
    // A pair that doesn't match, and something else altogether: the last good one stays.
    let (cert, key) = server.authority.leaf(NAME);
    server.put("tls.crt", &cert);
    let line = server.logged("the new certificate can't be used; the last good one is served");
    assert_eq!(line["error"], "tls.key is not the key of tls.crt");
    assert_eq!(server.client().serves(), first);
    server.put("tls.key", "no key");
    server.logged("the new certificate can't be used; the last good one is served");
    assert_eq!((server.client().serves(), server.admin("/readyz").0), (first.clone(), 200));
    assert!(server.metric("volcheck_tls_reloads_total{result=\"failure\"}") >= 2.0);
    server.put("tls.key", &key);
    server.logged("certificate reloaded");
    assert_ne!(server.client().serves(), first);
    assert!(kept.review(&review(BAD)).expect("a kept connection is not disturbed").status == 200);
    assert_eq!(server.metric("volcheck_tls_reloads_total{result=\"success\"}"), 1.0);
    // One that has expired by now.
    let (cert, key) = server.authority.leaf_until(NAME, 2021);
    server.put("tls.key", &key);
    server.put("tls.crt", &cert);
    let expired = "the certificate expired at 2021-01-01T00:00:00Z";
    assert_eq!(until_other(&server, "tls.key is not the key of tls.crt"), expired);
    assert_eq!(server.admin("/readyz").0, 200);
}

/// Why a new certificate isn't served, once it is for another reason than `between`, which half a pair may be.
fn until_other(server: &Server, between: &str) -> String {
    loop {
        let line = server.logged("the new certificate can't be used; the last good one is served");
        let error = line["error"].as_str().expect("why").to_owned();
        if error != between {
            return error;
        }
    }
}

#[test]
fn a_certificate_of_another_name_is_not_served() {
    let server = Server::start(&["--tls-name", NAME]);
    let (cert, key) = server.authority.leaf("other.volcheck.svc");
    server.put("tls.key", &key);
    server.put("tls.crt", &cert);
    let error = until_other(&server, "tls.key is not the key of tls.crt");
    assert!(error.starts_with(&format!("tls.crt is not for {NAME}: ")), "{error}");
    assert!(server.client().review(&review(GOOD)).expect("an answer").allowed());
}

/// Where there is no better one, an expired certificate is what there is: it is served, and it is said.
#[test]
fn a_certificate_that_has_expired_is_said() {
    let authority = Authority::new();
    let (cert, key) = authority.leaf_until(NAME, 2021);
    let folder = folder(&[("tls.crt", &cert), ("tls.key", &key), ("volcheck.yaml", POLICY)]);
    let server = Server::start_in(folder, Arc::new(authority), &[]);
    let line = server.logged("the certificate is of no use now");
    assert_eq!(line["problem"], "the certificate expired at 2021-01-01T00:00:00Z");
    let (status, text) = server.admin("/readyz");
    assert!(status == 503 && text.contains("expired at"), "{text}");
    assert_eq!(server.metric("volcheck_tls_cert_not_after_timestamp_seconds"), 1_609_459_200.0);
    let (cert, key) = server.authority.leaf(NAME);
    server.put("tls.crt", &cert);
    server.put("tls.key", &key);
    server.logged("certificate reloaded");
    assert_eq!(server.admin("/readyz").0, 200);
}

/// As the kubelet lays a Secret out: the files are links into `..data`, which is a link that is renamed over.
fn lay(folder: &Path, authority: &Authority, version: usize) {
    let (cert, key) = authority.leaf(NAME);
    let data = folder.join(format!("..version-{version}"));
    fs::create_dir(&data).expect("a folder");
    fs::write(data.join("tls.crt"), cert).expect("written");
    fs::write(data.join("tls.key"), key).expect("written");
    let link = folder.join("..data_tmp");
    symlink(format!("..version-{version}"), &link).expect("a link");
    fs::rename(link, folder.join("..data")).expect("swapped");
}

#[test]
fn a_secret_s_links_are_swapped_under_load_and_nothing_fails() {
    let authority = Authority::new();
    let folder = folder(&[("volcheck.yaml", POLICY)]);
    lay(folder.path(), &authority, 0);
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), folder.path().join(name)).expect("a link");
    }
    let server = Server::start_in(folder, Arc::new(authority), &[]);
    let (address, authority) = (server.address, &server.authority);
    let (is_over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for fresh in [false, true] {
            let (is_over, asked) = (&is_over, &asked);
            scope.spawn(move || {
                let connect = || Client::connect(address, authority, None).expect("a connection");
                let mut client = connect();
                while !is_over.load(Ordering::Relaxed) {
                    if fresh {
                        client = connect();
                    }
                    assert!(!client.review(&review(BAD)).expect("an answer").allowed());
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for version in 1..=5 {
            lay(server.folder.path(), authority, version);
            server.logged("certificate reloaded");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(asked.load(Ordering::Relaxed) > 10);
}

#[test]
fn a_new_policy_holds_and_a_bad_one_does_not() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut allows = || client.review(&review(BAD)).expect("an answer").allowed();
    assert!(!allows());
    server.put("volcheck.yaml", "version: 1\nmodes: {\"*\": audit}\n");
    let reloaded = server.logged("policy reloaded");
    assert!(allows());
    assert!(server.admin("/metrics").1.contains(&format!("hash={}", reloaded["policy"])));
    for bad in [
        "version: 1\nrules: {nosuch: off}\n",
        "",
        "version: 2\n",
        "[",
        "version: 1\nexemptions: [{rules: [host-root], match: {namespace: a}}]\n",
    ] {
        server.put("volcheck.yaml", bad);
        let line = server.logged("the new policy can't be used; the last good one holds");
        assert!(line["error"].as_str().expect("why").contains("volcheck.yaml"), "{line}");
        assert!(allows());
    }
    assert_eq!(server.metric("volcheck_policy_reloads_total{result=\"failure\"}"), 5.0);
    server.put("volcheck.yaml", POLICY);
    server.logged("policy reloaded");
    assert!(!allows());
}

#[test]
fn what_can_t_be_served_doesn_t_start() {
    let authority = Authority::new();
    let (cert, key) = authority.leaf(NAME);
    let (_, other) = authority.leaf(NAME);
    for (files, words) in [
        (
            [("tls.crt", &*cert), ("tls.key", &*other), ("volcheck.yaml", POLICY)],
            "tls.key is not the key of tls.crt",
        ),
        ([("tls.crt", ""), ("tls.key", &*key), ("volcheck.yaml", POLICY)], "tls.crt: no certificate in PEM"),
        ([("tls.crt", &*cert), ("tls.key", ""), ("volcheck.yaml", POLICY)], "tls.key: "),
        ([("tls.crt", &*cert), ("other.key", ""), ("volcheck.yaml", POLICY)], "tls.key: "),
        (
            [("tls.crt", &*cert), ("tls.key", &*key), ("volcheck.yaml", "version: 1\nrules: 3\n")],
            "error[policy]",
        ),
        ([("tls.crt", &*cert), ("tls.key", &*key), ("other.yaml", "")], "volcheck.yaml"),
    ] {
        let folder = folder(&files);
        let output = command(folder.path(), &[]).output().expect("volcheck");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(words), "{text}");
    }
    let folder = folder(&[("tls.crt", &cert), ("tls.key", &key), ("volcheck.yaml", POLICY)]);
    for arguments in
        [["--drain", "0"], ["--reload", "-1"], ["--log-level", "a=b=c"], ["--client-ca", "nosuch.pem"]]
    {
        assert_eq!(
            command(folder.path(), &arguments).output().expect("volcheck").status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

#[test]
fn what_registers_itself_must_run_in_a_cluster_and_have_no_other_certificate() {
    let serve = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .arg("serve")
            .args(arguments)
            .env_remove("KUBERNETES_SERVICE_HOST")
            .output()
            .expect("volcheck");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let own = ["--service", "volcheck"];
    for (more, words) in [
        (&[][..], "cannot register the webhook outside of a cluster"),
        (&["--tls-cert", "tls.crt", "--tls-key", "tls.key"], "cannot be used with"),
        (&["--certificate-days", "0"], "no time at all"),
        (&["--authority-days", "long"], "invalid float literal"),
        (&["--authority-days", "0.002"], "has ended before the next one is trusted"),
    ] {
        let (code, text) = serve(&[&own[..], more].concat());
        assert!(code == Some(2) && text.contains(words), "{text}");
    }
    for alone in [&["--tls-cert", "tls.crt"][..], &[]] {
        assert_eq!(serve(alone).0, Some(2), "{alone:?}");
    }
}

#[test]
fn the_certificates_that_volcheck_makes_are_trusted_for_the_service_alone() {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    let folder = folder(&[("volcheck.yaml", POLICY)]);
    let certs = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .arg("certs")
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .expect("volcheck");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (code, said) = certs(&["--service", "hook", "--namespace", "safe", "--days", "30", "made"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("for hook.safe.svc, valid until ")
            && said.contains("--set-file certs.caBundle=made/ca.crt"),
        "{said}"
    );
    assert_eq!(certs(&["made"]), (Some(2), "error: `made/ca.crt` already exists\n".to_owned()));
    assert_eq!(certs(&["--days", "0", "other"]).0, Some(2));
    let mode = fs::metadata(folder.path().join("made/tls.key")).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let read = |name: &str| fs::read(folder.path().join("made").join(name)).expect("a file");
    let der = |name: &str| CertificateDer::from_pem_slice(&read(name)).expect("a certificate").into_owned();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der("ca.crt")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().expect("a verifier");
    let verify = |name: &'static str| {
        use rustls::client::danger::ServerCertVerifier;
        let name = ServerName::try_from(name).expect("a name");
        verifier.verify_server_cert(&der("tls.crt"), &[], &name, &[], rustls::pki_types::UnixTime::now())
    };
    assert!(verify("hook.safe.svc").is_ok());
    assert!(verify("hook.other.svc").is_err());
    for (from, to) in [("tls.crt", "tls.crt"), ("tls.key", "tls.key")] {
        fs::copy(folder.path().join("made").join(from), folder.path().join(to)).expect("copied");
    }
    let server = Server::start_in(folder, Arc::new(Authority::new()), &[]);
    assert_eq!(server.admin("/readyz").0, 200);
}

#[test]
fn clients_show_who_they_are_where_that_is_asked_for() {
    let (clients, others) = (Authority::new(), Authority::new());
    let authority = Authority::new();
    let (cert, key) = authority.leaf(NAME);
    let folder = folder(&[
        ("tls.crt", &cert),
        ("tls.key", &key),
        ("volcheck.yaml", POLICY),
        ("ca.crt", &clients.0.pem()),
    ]);
    let flags = ["--client-ca", "ca.crt", "--client-name", "kube-apiserver", "--client-name", "front-proxy"];
    let more = ["--log-format", "json", "--log-level", "debug"];
    let server = Server::start_in(folder, Arc::new(authority), &[&flags[..], &more].concat());
    let ask = |identity: Option<&Identity>| {
        Client::connect(server.address, &server.authority, identity)
            .and_then(|mut client| client.review(&review(GOOD)))
    };
    let api_server = clients.leaf("kube-apiserver");
    assert!(ask(Some(&api_server)).expect("an answer").allowed());
    assert!(ask(Some(&clients.leaf("front-proxy"))).expect("an answer").allowed());
    // Of the same authority, as the certificates of kubelets and users are; no certificate; of another authority.
    assert!(ask(Some(&clients.leaf("system:node:a"))).is_err());
    assert!(ask(None).is_err());
    assert!(ask(Some(&others.leaf("kube-apiserver"))).is_err());
    assert_eq!(server.logged("allowed")["decision"], "allow");

    server.put("ca.crt", "nonsense");
    server.logged("the new authorities of clients can't be used; those of before are believed");
    assert!(ask(Some(&api_server)).expect("an answer").allowed());
    server.put("ca.crt", &others.0.pem());
    server.logged("authorities of clients reloaded");
    assert!(ask(Some(&others.leaf("kube-apiserver"))).expect("an answer").allowed());
    assert!(ask(Some(&api_server)).is_err());
}

#[test]
fn an_end_comes_after_all_answers_and_tells_clients_to_go() {
    let mut server = Server::start(&["--drain", "4", "--idle-timeout", "100"]);
    let mut kept = server.client();
    assert!(kept.review(&review(GOOD)).expect("an answer").header("connection").is_none());
    // One request is on its way when the end comes.
    let mut slow = server.client();
    let body = review(BAD);
    let head = format!("{}Content-Length: {}\r\n\r\n", post("/validate", "application/json"), body.len());
    slow.0.get_mut().write_all(head.as_bytes()).expect("sent");
    slow.0.get_mut().write_all(&body.as_bytes()[..50]).expect("sent");
    slow.0.get_mut().flush().expect("sent");
    server.signal("-TERM");
    server.logged("ending: answers ask for another connection from now on");
    assert_eq!(server.admin("/readyz").0, 503);
    assert_eq!(server.admin("/livez").0, 200);
    // Whoever hasn't heard of it yet is answered, and asked to go.
    let mut late = server.client();
    for client in [&mut kept, &mut late] {
        let answer = client.review(&review(BAD)).expect("an answer");
        assert_eq!((answer.allowed(), answer.header("connection")), (false, Some("close")));
    }
    slow.0.get_mut().write_all(&body.as_bytes()[50..]).expect("sent");
    slow.0.get_mut().flush().expect("sent");
    assert!(!read_answer(&mut slow.0).expect("an answer").allowed());
    server.logged("ended");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(&["--drain", "3600"]);
    server.signal("-INT");
    server.logged("ending: answers ask for another connection from now on");
    server.signal("-INT");
    server.logged("ended at once");
    assert_eq!(server.exit_code(), Some(0));
}
