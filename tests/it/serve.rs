//! Tests of `volcheck serve`, with requests as the API server sends them.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::webhook_server::{
    ALLOWED_PATH, Client, ClientCertificate, DENIED_PATH, POLICY, SERVER_NAME, TIMEOUT, TestCa,
    WebhookServer, pod_review, post, read_response, serve_command, temp_dir,
};

const JSON: &str = "application/json";

#[test]
fn reviews_produce_verdicts_log_lines_and_metrics() {
    let mut server = WebhookServer::start(&[]);
    let mut client = server.connect();
    assert_eq!(server.get_admin("/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(server.get_admin("/livez").0, 200);
    assert_eq!(server.get_admin("/version"), (200, format!("{}\n", env!("CARGO_PKG_VERSION"))));
    for _ in 0..3 {
        let response = client.review(&pod_review(ALLOWED_PATH)).expect("a response");
        assert_eq!((response.status, response.header("content-type")), (200, Some(JSON)));
        assert!(response.is_allowed() && response.header("connection").is_none());
    }
    let denied = client.review(&pod_review(DENIED_PATH)).expect("a response");
    assert!(denied.status == 200 && !denied.is_allowed());
    let message = "volcheck: 1 problem in Pod shop/p: [sensitive-host-path]";
    assert!(denied.body.contains(message), "{}", denied.body);
    let mut request = |head: String| client.request(&head, &pod_review(DENIED_PATH)).expect("a response");
    let advised = request(post("/advise", "application/json; charset=utf-8"));
    assert!(advised.is_allowed() && advised.body.contains("\"warnings\":["), "{}", advised.body);
    assert!(!request(post("/validate/deny", JSON)).is_allowed());
    let line = server.wait_for_log("denied");
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
    let requests = |endpoint, decision| {
        let labels = format!(
            "endpoint=\"{endpoint}\",decision=\"{decision}\",operation=\"CREATE\",resource=\"pods\",subresource=\"\",dry_run=\"false\""
        );
        server.metric(&format!("volcheck_admission_requests_total{{{labels}}}"))
    };
    assert_eq!((requests("validate", "allow"), requests("validate", "deny")), (3.0, 1.0));
    assert_eq!((requests("advise", "warn"), requests("strict", "deny")), (1.0, 1.0));
    assert_eq!(server.metric("volcheck_admission_requests_total"), 6.0);
    for name in
        ["admission_request_duration_seconds", "evaluation_duration_seconds", "admission_request_size_bytes"]
    {
        assert_eq!(server.metric(&format!("volcheck_{name}_count")), 6.0, "{name}");
    }
    assert_eq!(server.metric("volcheck_admission_requests_in_flight"), 0.0);
    let findings = "volcheck_findings_total{rule=\"sensitive-host-path\",severity=\"error\"}";
    assert_eq!(server.metric(findings), 3.0);
    server.signal("-TERM");
    drop(client);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn metric_names_are_stable() {
    let server = WebhookServer::start(&[]);
    let more =
        "exemptions: [{rules: [\"*\"], match: {namespace: exempt}, reason: r}]\nmodes: {relaxed: warn}\n";
    server.replace_file("volcheck.yaml", &(POLICY.to_owned() + more));
    server.wait_for_log("policy reloaded");
    // A metric with labels is exposed only after its first sample.
    let mut update: Value = serde_json::from_str(&pod_review(DENIED_PATH)).expect("JSON");
    update["request"]["operation"] = json!("UPDATE");
    update["request"]["oldObject"] = update["request"]["object"].clone();
    let in_namespace = |namespace: &str| {
        pod_review(DENIED_PATH).replace("\"namespace\":\"shop\"", &format!("\"namespace\":\"{namespace}\""))
    };
    for review in [update.to_string(), in_namespace("exempt"), in_namespace("relaxed")] {
        assert!(server.connect().review(&review).expect("a response").is_allowed());
    }
    let (_, text) = server.get_admin("/metrics");
    let names: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE volcheck_")?.split_once(' ')).collect();
    let expected = [
        ("admission_requests", "counter"),
        ("admission_request_duration_seconds", "histogram"),
        ("admission_request_size_bytes", "histogram"),
        ("admission_requests_in_flight", "gauge"),
        ("evaluation_duration_seconds", "histogram"),
        ("findings", "counter"),
        ("exempted_findings", "counter"),
        ("preexisting_findings", "counter"),
        ("would_deny", "counter"),
        ("errors", "counter"),
        ("connections", "gauge"),
        ("evicted_connections", "counter"),
        ("evicted_bodies", "counter"),
        ("max_open_files", "gauge"),
        ("certificate_expiration_timestamp_seconds", "gauge"),
        ("certificate_reloads", "counter"),
        ("policy_reloads", "counter"),
        ("policy_file_valid", "gauge"),
        ("build", "info"),
        ("policy", "info"),
    ];
    assert_eq!(names, expected);
    assert!(text.contains("\nvolcheck_policy_info{hash=\"") && text.ends_with("\n# EOF\n"), "{text}");
}

#[test]
fn reports_requests_that_mode_deny_would_deny() {
    let server = WebhookServer::start(&[]);
    let modes = "modes: {relaxed: warn, \"tenant-*\": audit, \"*\": audit}\n";
    server.replace_file("volcheck.yaml", &(POLICY.to_owned() + modes));
    server.wait_for_log("policy reloaded");
    let mut client = server.connect();
    let mut create = |namespace: &str| {
        let namespace = format!("\"namespace\":\"{namespace}\"");
        let review = pod_review(DENIED_PATH).replace("\"namespace\":\"shop\"", &namespace);
        assert!(client.review(&review).expect("a response").is_allowed(), "{namespace}");
    };
    create("shop");
    let line = server.wait_for_log("would be denied in mode deny");
    for (key, value) in [
        ("level", "INFO"),
        ("namespace", "shop"),
        ("name", "p"),
        ("user", "alice"),
        ("rules", "sensitive-host-path"),
        ("severities", "sensitive-host-path=error"),
    ] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    // A tenant with many namespaces cannot hide those of others.
    (0..150).for_each(|index| create(&format!("tenant-{index}")));
    ["shop", "relaxed", "late"].into_iter().for_each(&mut create);
    let counted = |namespace: &str| {
        let labels = format!("namespace=\"{namespace}\",rule=\"sensitive-host-path\"");
        server.metric(&format!("volcheck_would_deny_total{{{labels}}}"))
    };
    assert_eq!((counted("shop"), counted("tenant-98"), counted("tenant-99")), (2.0, 1.0, 0.0));
    assert_eq!((counted("relaxed"), counted("late"), counted("other")), (1.0, 0.0, 52.0));
    let message = "too many namespaces in volcheck_would_deny_total, counting the others as `other`";
    assert_eq!(server.wait_for_log(message)["level"], "WARN");
}

#[test]
fn metric_shows_an_invalid_policy_file() {
    let server = WebhookServer::start(&[]);
    assert_eq!(server.metric("volcheck_policy_file_valid"), 1.0);
    server.replace_file("volcheck.yaml", "version: 2\n");
    server.wait_for_log("failed to reload policy, keeping the last valid one");
    assert_eq!(server.metric("volcheck_policy_file_valid"), 0.0);
    server.replace_file("volcheck.yaml", POLICY);
    server.wait_for_metric("volcheck_policy_file_valid", 1.0);
}

#[test]
fn operator_message_ends_denials() {
    let server = WebhookServer::start(&["--message", "ask #platform"]);
    let denied = server.connect().review(&pod_review(DENIED_PATH)).expect("a response");
    assert!(denied.body.contains("; ask #platform\""), "{}", denied.body);
    assert!(!denied.body.contains("volcheck explain"), "{}", denied.body);
}

#[test]
fn rejects_invalid_requests_with_a_specific_status() {
    let server = WebhookServer::start(&["--max-body", "100000"]);
    let deep = format!("{}{}", "[".repeat(40_000), "]".repeat(40_000));
    let (allowed, denied) = (pod_review(ALLOWED_PATH), pod_review(DENIED_PATH));
    for (head, body, status) in [
        (post("/validate", "text/plain"), allowed.clone(), 415),
        (post("/validate", "application/yaml"), allowed.clone(), 415),
        (post("/validate", JSON), String::new(), 400),
        (post("/validate", JSON), "{}".to_owned(), 400),
        (post("/validate", JSON), denied[..100].to_owned(), 400),
        (post("/validate", JSON), denied.replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1"), 400),
        (post("/validate", JSON), denied.replace("\"uid\":\"u-1\"", "\"uid\":\"\""), 400),
        (post("/validate", JSON), deep, 400),
        (post("/validate", JSON), " ".repeat(100_001), 413),
        (post("/", JSON), allowed.clone(), 404),
        (post("/validate/", JSON), allowed.clone(), 404),
        (post("/metrics", JSON), allowed.clone(), 404),
        (post("/validate", JSON).replacen("POST", "GET", 1), String::new(), 405),
        (post("/validate", JSON).replacen("POST", "PUT", 1), allowed.clone(), 405),
    ] {
        let mut client = server.connect();
        let response = client.request(&head, &body).unwrap_or_else(|error| panic!("{head}: {error}"));
        assert_eq!(response.status, status, "{head}{}", &body[..body.len().min(100)]);
        assert_eq!(response.header("connection"), Some("close"), "{head}");
        assert!(!response.body.contains("allowed"), "{}", response.body);
    }
    // Invalid UTF-8.
    let mut client = server.connect();
    client.send_raw(format!("{}Content-Length: 2\r\n\r\n", post("/validate", JSON)).as_bytes());
    client.send_raw(b"\xff\xfe");
    assert_eq!(read_response(&mut client.0).expect("a response").status, 400);
    // A body of unknown size that exceeds the limit.
    let mut client = server.connect();
    let mut chunked = format!("{}Transfer-Encoding: chunked\r\n\r\n", post("/validate", JSON));
    (0..20).for_each(|_| chunked.push_str(&format!("2000\r\n{}\r\n", " ".repeat(0x2000))));
    chunked.push_str("0\r\n\r\n");
    let _ = client.0.get_mut().write_all(chunked.as_bytes());
    let _ = client.0.get_mut().flush();
    assert_eq!(read_response(&mut client.0).expect("a response").status, 413);
    for (kind, count) in [("decode", 9.0), ("too_large", 2.0), ("request", 5.0)] {
        assert_eq!(server.metric(&format!("volcheck_errors_total{{kind=\"{kind}\"}}")), count, "{kind}");
    }
    for (status, count) in [(415, 2), (400, 6), (413, 1)] {
        assert!((0..count).all(|_| server.wait_for_log("review failed")["status"] == status), "{status}");
    }
    assert_eq!(server.wait_for_log("unknown path or method")["status"], 404);
    assert!(server.connect().review(&allowed).expect("a response").is_allowed());
}

#[test]
fn rejects_identifiers_that_are_too_long() {
    let server = WebhookServer::start(&[]);
    let set = |pointer: &str, length: usize| {
        let mut review: Value = serde_json::from_str(&pod_review(ALLOWED_PATH)).expect("JSON");
        *review.pointer_mut(pointer).expect("a field") = json!("x".repeat(length));
        review
    };
    for (pointer, max) in [
        ("/request/uid", 128),
        ("/request/name", 253),
        ("/request/namespace", 63),
        ("/request/operation", 253),
        ("/request/resource/resource", 253),
        ("/request/userInfo/username", 4096),
    ] {
        let review = set(pointer, max).to_string();
        assert_eq!(server.connect().review(&review).expect("a response").status, 200, "{pointer}");
        // The second value is long enough to be rejected before it is parsed.
        for length in [max + 1, 5_000_000] {
            let head = post("/validate", JSON);
            let response = server.connect().request(&head, &set(pointer, length).to_string());
            let response = response.expect("a response");
            assert_eq!(response.status, 400, "{pointer}");
            assert!(response.body.contains("an identifier is longer than"), "{pointer}: {}", response.body);
            assert!(response.body.len() < 1000, "{pointer}");
        }
    }
    // An escape sequence counts as one character.
    let escaped = pod_review(ALLOWED_PATH).replace("u-1", &"\\u0075".repeat(128));
    assert_eq!(server.connect().review(&escaped).expect("a response").status, 200);
    let mut groups: Value = serde_json::from_str(&pod_review(ALLOWED_PATH)).expect("JSON");
    groups["request"]["userInfo"]["groups"] = json!(["system:masters", "x".repeat(4097)]);
    let response = server.connect().request(&post("/validate", JSON), &groups.to_string());
    assert_eq!(response.expect("a response").status, 400);
}

#[test]
fn floods_of_denials_do_not_flood_the_log() {
    let mut server = WebhookServer::start(&[]);
    let user = "\\u001b".repeat(4000);
    let denied = pod_review(DENIED_PATH).replace("alice", &user);
    let mut client = server.connect();
    for _ in 0..300 {
        assert!(!client.review(&denied).expect("a response").is_allowed());
    }
    drop(client);
    server.signal("-TERM");
    assert_eq!(server.exit_code(), Some(0));
    let lines: Vec<Value> = server.log.iter().collect();
    let with = |message: &str| lines.iter().filter(|line| line["message"] == message).collect::<Vec<_>>();
    let logged = with("denied");
    let suppressed = with("similar log lines were suppressed");
    let count: u64 = suppressed.iter().filter_map(|line| line["count"].as_u64()).sum();
    assert!(logged.len() < 150, "{}", logged.len());
    assert_eq!(logged.len() as u64 + count, 300);
    assert!(logged.iter().all(|line| line.to_string().len() < 2000), "{}", logged[0]);
}

#[test]
fn denies_and_logs_objects_that_cannot_be_checked() {
    let server = WebhookServer::start(&[]);
    let broken = pod_review(DENIED_PATH).replace("\"volumes\":[", "\"volumes\":[3,");
    let mut client = server.connect();
    let response = client.review(&broken).expect("a response");
    assert!(response.status == 200 && !response.is_allowed(), "{response:?}");
    assert!(client.request(&post("/advise", JSON), &broken).expect("a response").is_allowed());
    assert_eq!(server.wait_for_log("object could not be checked")["level"], "WARN");
    assert_eq!(server.metric("volcheck_errors_total{kind=\"object\"}"), 2.0);
}

#[test]
fn broken_connections_do_not_affect_other_clients() {
    let server = WebhookServer::start(&["--read-timeout", "1"]);
    let mut healthy = server.connect();
    assert!(healthy.review(&pod_review(ALLOWED_PATH)).expect("a response").is_allowed());
    let without_handshake = TcpStream::connect(server.address).expect("a connection");
    let mut plain_http = TcpStream::connect(server.address).expect("a connection");
    plain_http.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    let mut invalid_handshake = TcpStream::connect(server.address).expect("a connection");
    invalid_handshake.write_all(&[0x16, 3, 1, 0xff, 0xff, 7, 7, 7]).expect("sent");
    let without_request = server.connect();
    let mut without_body = server.connect();
    without_body.send_raw(format!("{}Content-Length: 100\r\n\r\n{{", post("/validate", JSON)).as_bytes());
    assert_eq!(read_response(&mut without_body.0).expect("a response").status, 408);
    // The server closes these connections after the read timeout.
    for mut stream in [without_handshake, plain_http, invalid_handshake] {
        stream.set_read_timeout(Some(TIMEOUT)).expect("set");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    let mut without_request = without_request.0;
    assert!(matches!(without_request.read(&mut [0; 1]), Ok(0) | Err(_)));
    server.wait_for_metric("volcheck_errors_total{kind=\"tls\"}", 3.0);
    server.wait_for_metric("volcheck_errors_total{kind=\"timeout\"}", 1.0);
    server.wait_for_metric("volcheck_errors_total{kind=\"connection\"}", 1.0);
    server.wait_for_log("connection failed");
    let response = healthy.review(&pod_review(ALLOWED_PATH)).expect("a response on the same connection");
    assert!(response.is_allowed());
}

#[test]
fn a_thousand_idle_connections_do_not_block_requests() {
    let server = WebhookServer::start(&["--max-connections", "1100"]);
    let idle: Vec<_> = (0..1000).map(|_| TcpStream::connect(server.address).expect("a connection")).collect();
    let mut client = server.connect();
    assert!(client.review(&pod_review(ALLOWED_PATH)).expect("a response").is_allowed());
    assert!(!client.review(&pod_review(DENIED_PATH)).expect("a response").is_allowed());
    drop(idle);
}

/// A review contains at most two objects, the new and the old one. etcd stores objects of up to
/// about 1.5 MiB. An object can be longer in JSON than in etcd.
#[test]
fn accepts_bodies_of_up_to_seven_mebibytes() {
    let server = WebhookServer::start(&[]);
    let filler = "x".repeat(3 << 19);
    let large_review = |path: &str| {
        let mut review: Value = serde_json::from_str(&pod_review(path)).expect("JSON");
        review["request"]["object"]["metadata"]["annotations"] = json!({"x": filler});
        review
    };
    let mut update = large_review(DENIED_PATH);
    update["request"]["operation"] = json!("UPDATE");
    update["request"]["oldObject"] = large_review(ALLOWED_PATH)["request"]["object"].take();
    let update = update.to_string();
    assert!(update.len() > 3 << 20);
    let mut client = server.connect();
    let mut send = |bytes: usize| {
        let padded = update.clone() + &" ".repeat(bytes - update.len());
        client.request(&post("/validate?timeout=30s", JSON), &padded).expect("a response")
    };
    assert!(!send(update.len()).is_allowed());
    assert!(!send(7 << 20).is_allowed());
    assert_eq!(send((7 << 20) + 1).status, 413);
}

/// Returns the first seven bytes of the server's response to a ClientHello (RFC 5246, section
/// 7.4.1.2) of the version `3.minor`.
fn response_to_client_hello(server: &WebhookServer, minor: u8) -> [u8; 7] {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    // No session, the suite ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression.
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    // Extensions: the group x25519, uncompressed points, ECDSA with P-256 and SHA-256.
    hello.extend([0, 22, 0, 10, 0, 4, 0, 2, 0, 29, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = hello.len() as u8;
    let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("set");
    stream.write_all(&record).expect("sent");
    let mut response = [0; 7];
    stream.read_exact(&mut response).expect("a response");
    response
}

#[test]
fn rejects_tls_versions_below_1_2() {
    let server = WebhookServer::start(&[]);
    assert_eq!(response_to_client_hello(&server, 3)[0], 0x16, "a handshake with TLS 1.2");
    for minor in [1, 2] {
        // A fatal alert: protocol_version.
        let alert = [0x15, 3, 3, 0, 2, 2, 70];
        assert_eq!(response_to_client_hello(&server, minor), alert, "TLS 1.{}", minor - 1);
    }
}

/// Connects clients that declare a body of `declared` bytes but send only `sent` bytes.
fn stalled_clients(server: &WebhookServer, count: usize, declared: usize, sent: usize) -> Vec<Client> {
    let head = post("/validate?timeout=30s", JSON);
    let request = format!("{head}Content-Length: {declared}\r\n\r\n{}", " ".repeat(sent));
    let connect = |_| {
        let mut client = server.connect();
        // The server closes the connection if another request needs the memory.
        let stream = client.0.get_mut();
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.flush());
        client
    };
    (0..count).map(connect).collect()
}

#[test]
fn stalled_large_bodies_do_not_block_other_requests() {
    let server = WebhookServer::start(&[]);
    let large = pod_review(ALLOWED_PATH)
        .replace("\"image\":\"i\"", &format!("\"image\":\"{}\"", "i".repeat(3 << 20)));
    for sent in [1, 6_999_999] {
        // Together, the bodies exceed the memory budget.
        let stalled = stalled_clients(&server, 12, 7_000_000, sent);
        for _ in 0..20 {
            assert!(server.connect().review(&pod_review(ALLOWED_PATH)).expect("a response").is_allowed());
        }
        // On a busy machine, the client can be slower than the server tolerates.
        let mut responses = (0..10).map(|_| server.connect().review(&large).expect("a response"));
        assert!(responses.any(|response| response.status == 200 && response.is_allowed()));
        drop(stalled);
    }
    assert!(server.metric("volcheck_evicted_bodies_total") >= 1.0);
}

#[test]
fn stalled_small_bodies_do_not_block_other_requests() {
    let server = WebhookServer::start(&["--read-timeout", "3600"]);
    let stalled = stalled_clients(&server, 250, 262_144, 262_143);
    for _ in 0..20 {
        assert!(server.connect().review(&pod_review(ALLOWED_PATH)).expect("a response").is_allowed());
    }
    drop(stalled);
}

/// Connects from 127.0.0.2 instead of the address that `TcpStream::connect` uses.
fn connect_from_second_address(address: SocketAddr) -> TcpStream {
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

#[test]
fn evicts_idle_connections_at_the_connection_limit() {
    let server =
        WebhookServer::start(&["--max-connections", "8", "--read-timeout", "3600", "--idle-timeout", "3600"]);
    let second_client = || {
        let stream = connect_from_second_address(server.address);
        Client::connect_over(stream, &server.ca, None).expect("a TLS connection")
    };
    let (allowed, denied) = (pod_review(ALLOWED_PATH), pod_review(DENIED_PATH));
    let mut persistent = second_client();
    assert!(persistent.review(&allowed).expect("a response").is_allowed());
    // The first client opens connections up to and above the limit, with and without requests.
    let mut idle: Vec<_> = (0..7).map(|_| server.connect()).collect();
    for client in &mut idle[1..] {
        assert!(client.review(&allowed).expect("a response").is_allowed());
    }
    assert!(persistent.review(&allowed).expect("a response").is_allowed());
    let silent: Vec<_> = (0..12).map(|_| TcpStream::connect(server.address).expect("a connection")).collect();
    for _ in 0..3 {
        assert!(!persistent.review(&denied).expect("a response on the same connection").is_allowed());
        assert!(second_client().review(&allowed).expect("a response").is_allowed());
    }
    drop((idle, silent));
}

#[test]
fn admin_connection_floods_do_not_block_probes() {
    let server = WebhookServer::start(&["--read-timeout", "3600", "--idle-timeout", "3600"]);
    let idle: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(server.admin_address).expect("a connection");
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
            stream
        })
        .collect();
    let mut probe = connect_from_second_address(server.admin_address);
    probe.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    assert_eq!(read_response(&mut BufReader::new(probe)).expect("a response").status, 200);
    drop(idle);
}

const CERTIFICATE_REJECTED: &str = "failed to reload certificate, keeping the last valid one";
const KEY_MISMATCH: &str = "tls.key does not match tls.crt";

#[test]
fn reloads_valid_certificates_only() {
    let server = WebhookServer::start(&[]);
    let mut client = server.connect();
    let first = client.server_certificate();
    assert!(client.review(&pod_review(ALLOWED_PATH)).expect("a response").is_allowed());
    let (cert, key) = server.ca.issue(SERVER_NAME);
    server.replace_file("tls.crt", &cert);
    assert_eq!(server.wait_for_log(CERTIFICATE_REJECTED)["error"], KEY_MISMATCH);
    assert_eq!(server.connect().server_certificate(), first);
    server.replace_file("tls.key", "not a key");
    server.wait_for_log(CERTIFICATE_REJECTED);
    assert_eq!((server.connect().server_certificate(), server.get_admin("/readyz").0), (first.clone(), 200));
    assert_eq!(server.metric("volcheck_certificate_reloads_total{result=\"failure\"}"), 2.0);
    server.replace_file("tls.key", &key);
    server.wait_for_log("certificate reloaded");
    assert_ne!(server.connect().server_certificate(), first);
    let response = client.review(&pod_review(DENIED_PATH)).expect("a response on the same connection");
    assert_eq!(response.status, 200);
    assert_eq!(server.metric("volcheck_certificate_reloads_total{result=\"success\"}"), 1.0);
    // An expired certificate does not replace a valid one.
    let (cert, key) = server.ca.issue_until(SERVER_NAME, 2021);
    server.replace_file("tls.key", &key);
    server.replace_file("tls.crt", &cert);
    assert_is_expired(&rejection_of_pair(&server));
    assert_eq!(server.get_admin("/readyz").0, 200);
}

/// Waits until a replaced certificate and key are rejected, and returns the reason. Ignores the
/// mismatch that is reported while only one of the files has been replaced.
fn rejection_of_pair(server: &WebhookServer) -> String {
    loop {
        let line = server.wait_for_log(CERTIFICATE_REJECTED);
        let error = line["error"].as_str().expect("an error");
        if error != KEY_MISMATCH {
            return error.to_owned();
        }
    }
}

fn assert_is_expired(message: &str) {
    assert!(message.contains("expired") && message.contains("2021-01-01T00:00:00Z"), "{message}");
}

#[test]
fn rejects_certificates_for_other_names() {
    let server = WebhookServer::start(&["--tls-name", SERVER_NAME]);
    let (cert, key) = server.ca.issue("other.volcheck.svc");
    server.replace_file("tls.key", &key);
    server.replace_file("tls.crt", &cert);
    let error = rejection_of_pair(&server);
    assert!(error.starts_with(&format!("tls.crt is not valid for {SERVER_NAME}: ")), "{error}");
    assert!(server.connect().review(&pod_review(ALLOWED_PATH)).expect("a response").is_allowed());
}

/// Without a valid alternative, an expired certificate is still served.
#[test]
fn reports_an_expired_certificate() {
    let ca = TestCa::new();
    let (cert, key) = ca.issue_until(SERVER_NAME, 2021);
    let directory = temp_dir(&[("tls.crt", &cert), ("tls.key", &key), ("volcheck.yaml", POLICY)]);
    let server = WebhookServer::start_in(directory, Arc::new(ca), &[]);
    let line = server.wait_for_log("serving certificate is not valid");
    assert_is_expired(line["reason"].as_str().expect("a reason"));
    let (status, body) = server.get_admin("/readyz");
    assert_eq!(status, 503);
    assert_is_expired(&body);
    let expiration = "volcheck_certificate_expiration_timestamp_seconds{role=\"serving\"}";
    assert_eq!(server.metric(expiration), 1_609_459_200.0);
    let (cert, key) = server.ca.issue(SERVER_NAME);
    server.replace_file("tls.crt", &cert);
    server.replace_file("tls.key", &key);
    server.wait_for_log("certificate reloaded");
    assert_eq!(server.get_admin("/readyz").0, 200);
}

/// Writes a new certificate and key as the kubelet updates a Secret volume: to a new directory, to
/// which the link `..data` is then switched atomically.
fn write_secret_volume(directory: &Path, ca: &TestCa, version: usize) {
    let (cert, key) = ca.issue(SERVER_NAME);
    let data = directory.join(format!("..version-{version}"));
    fs::create_dir(&data).expect("a directory");
    fs::write(data.join("tls.crt"), cert).expect("written");
    fs::write(data.join("tls.key"), key).expect("written");
    let link = directory.join("..data_tmp");
    symlink(format!("..version-{version}"), &link).expect("a link");
    fs::rename(link, directory.join("..data")).expect("renamed");
}

#[test]
fn certificate_rotation_causes_no_failed_requests() {
    let ca = TestCa::new();
    let directory = temp_dir(&[("volcheck.yaml", POLICY)]);
    write_secret_volume(directory.path(), &ca, 0);
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), directory.path().join(name)).expect("a link");
    }
    let server = WebhookServer::start_in(directory, Arc::new(ca), &[]);
    let (address, ca) = (server.address, &server.ca);
    let (is_over, requests) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for reconnects in [false, true] {
            let (is_over, requests) = (&is_over, &requests);
            scope.spawn(move || {
                let connect = || Client::connect(address, ca, None).expect("a connection");
                let mut client = connect();
                while !is_over.load(Ordering::Relaxed) {
                    if reconnects {
                        client = connect();
                    }
                    assert!(!client.review(&pod_review(DENIED_PATH)).expect("a response").is_allowed());
                    requests.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for version in 1..=5 {
            write_secret_volume(server.directory.path(), ca, version);
            server.wait_for_log("certificate reloaded");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(requests.load(Ordering::Relaxed) > 10);
}

#[test]
fn logs_upcoming_changes_of_severities() {
    let server = WebhookServer::start(&[]);
    let today = volcheck::policy::today();
    let level = format!("{{severity: info, until: {today}, then: error}}");
    server.replace_file("volcheck.yaml", &format!("version: 1\nrules: {{host-root: {level}}}\n"));
    let line = server.wait_for_log("the severity of a rule changes soon");
    let change =
        format!("volcheck.yaml:2: the severity of `host-root` changes from info to error after {today}");
    assert!(line["change"].as_str().is_some_and(|text| text.ends_with(&change)), "{line}");
    assert_eq!(line["level"], "WARN");
}

#[test]
fn reloads_valid_policies_only() {
    let server = WebhookServer::start(&[]);
    let mut client = server.connect();
    let mut is_allowed = || client.review(&pod_review(DENIED_PATH)).expect("a response").is_allowed();
    assert!(!is_allowed());
    server.replace_file("volcheck.yaml", "version: 1\nmodes: {\"*\": audit}\n");
    let reloaded = server.wait_for_log("policy reloaded");
    assert!(is_allowed());
    assert!(server.get_admin("/metrics").1.contains(&format!("hash={}", reloaded["policy"])));
    for invalid in [
        "version: 1\nrules: {nosuch: off}\n",
        "",
        "version: 2\n",
        "[",
        "version: 1\nexemptions: [{rules: [host-root], match: {namespace: a}}]\n",
    ] {
        server.replace_file("volcheck.yaml", invalid);
        let line = server.wait_for_log("failed to reload policy, keeping the last valid one");
        assert!(line["error"].as_str().expect("an error").contains("volcheck.yaml"), "{line}");
        assert_eq!(line["policy"], reloaded["policy"]);
        assert!(is_allowed());
    }
    assert_eq!(server.metric("volcheck_policy_reloads_total{result=\"failure\"}"), 5.0);
    server.replace_file("volcheck.yaml", POLICY);
    server.wait_for_log("policy reloaded");
    assert!(!is_allowed());
}

#[test]
fn refuses_to_start_with_an_invalid_configuration() {
    let ca = TestCa::new();
    let (cert, key) = ca.issue(SERVER_NAME);
    let (_, other_key) = ca.issue(SERVER_NAME);
    for (files, message) in [
        ([("tls.crt", &*cert), ("tls.key", &*other_key), ("volcheck.yaml", POLICY)], KEY_MISMATCH),
        ([("tls.crt", ""), ("tls.key", &*key), ("volcheck.yaml", POLICY)], "tls.crt: no PEM certificate"),
        ([("tls.crt", &*cert), ("tls.key", ""), ("volcheck.yaml", POLICY)], "tls.key: "),
        ([("tls.crt", &*cert), ("other.key", ""), ("volcheck.yaml", POLICY)], "tls.key: "),
        (
            [("tls.crt", &*cert), ("tls.key", &*key), ("volcheck.yaml", "version: 1\nrules: 3\n")],
            "error[invalid-policy]",
        ),
        ([("tls.crt", &*cert), ("tls.key", &*key), ("other.yaml", "")], "volcheck.yaml"),
    ] {
        let directory = temp_dir(&files);
        let output = serve_command(directory.path(), &[]).output().expect("volcheck");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(message), "{text}");
    }
    let directory = temp_dir(&[("tls.crt", &cert), ("tls.key", &key), ("volcheck.yaml", POLICY)]);
    for (arguments, message) in [
        (["--drain-timeout", "0"], "must be positive"),
        (["--reload-interval=-1", "--log-format=text"], "negative"),
        (["--log-level", "a=b=c"], "--log-level"),
        (["--client-ca", "nosuch.pem"], "nosuch.pem: "),
        (["--listen", "192.0.2.1:1"], "cannot listen on 192.0.2.1:1"),
    ] {
        let output = serve_command(directory.path(), &arguments).output().expect("volcheck");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(output.status.code() == Some(2) && text.contains(message), "{arguments:?}: {text}");
    }
}

#[test]
fn self_signed_certificates_require_a_cluster() {
    let serve = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .arg("serve")
            .args(arguments)
            .env_remove("KUBERNETES_SERVICE_HOST")
            .output()
            .expect("volcheck");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    for (arguments, message) in [
        (&[][..], "environment variable"),
        (&["--tls-cert", "tls.crt", "--tls-key", "tls.key"], "cannot be used with"),
        (&["--certificate-days", "0"], "must be positive"),
        (&["--ca-days", "long"], "invalid float literal"),
        (&["--ca-days", "0.002"], "--ca-overlap: must be less than a third of --ca-days"),
    ] {
        let (code, text) = serve(&[&["--service", "volcheck"], arguments].concat());
        assert!(code == Some(2) && text.contains(message), "{text}");
    }
    for incomplete in [&["--tls-cert", "tls.crt"][..], &[]] {
        assert_eq!(serve(incomplete).0, Some(2), "{incomplete:?}");
    }
}

#[test]
fn events_and_probes_require_a_cluster() {
    let (cert, key) = TestCa::new().issue(SERVER_NAME);
    let directory = temp_dir(&[("tls.crt", &cert), ("tls.key", &key), ("webhooks.json", "[{}]")]);
    let files = ["serve", "--tls-cert", "tls.crt", "--tls-key", "tls.key", "--events"];
    for (arguments, message) in [
        (&files[..], "cannot record Events: not running in a cluster"),
        (&["probe"], "cannot find a cluster"),
        (&["probe", "--namespace", "shop", "--timeout", "0"], "must be positive"),
        (&["probe", "--label", "team"], "expected KEY=VALUE"),
        (&["probe", "--timeout", "0"], "must be positive"),
        (&["probe", "--webhooks", "webhooks.json"], "--registration"),
        (
            &["probe", "--registration", "x", "--webhooks", "webhooks.json"],
            "--webhooks: webhooks.json: expected",
        ),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .args(arguments)
            .current_dir(directory.path())
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("KUBECONFIG", directory.path().join("none"))
            .env("HOME", directory.path())
            .output()
            .expect("volcheck");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(output.status.code() == Some(2) && text.contains(message), "{arguments:?}: {text}");
    }
}

/// Runs `volcheck certs` in a directory. Returns the exit code and the messages.
fn certs(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .arg("certs")
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("volcheck");
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

/// Checks whether the files `ca.crt` and `tls.crt` in a directory are valid for a server name.
fn is_valid_for(directory: &Path, name: &'static str) -> bool {
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    let der = |name: &str| {
        let pem = fs::read(directory.join(name)).expect("a file");
        CertificateDer::from_pem_slice(&pem).expect("a certificate").into_owned()
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der("ca.crt")).expect("a CA");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().expect("a verifier");
    let name = ServerName::try_from(name).expect("a name");
    verifier.verify_server_cert(&der("tls.crt"), &[], &name, &[], UnixTime::now()).is_ok()
}

/// Starts a server with the certificate in the subdirectory `made`.
fn serve_made(directory: tempfile::TempDir, arguments: &[&str]) -> WebhookServer {
    for name in ["tls.crt", "tls.key"] {
        fs::copy(directory.path().join("made").join(name), directory.path().join(name)).expect("copied");
    }
    WebhookServer::start_in(directory, Arc::new(TestCa::new()), arguments)
}

#[test]
fn generated_certificates_are_valid_for_the_service_only() {
    let directory = temp_dir(&[("volcheck.yaml", POLICY)]);
    let (path, made) = (directory.path(), directory.path().join("made"));
    let (code, text) = certs(path, &["--service", "hook", "--namespace", "safe", "--days", "30", "made"]);
    assert_eq!(code, Some(0), "{text}");
    let hints = ["--set fullnameOverride=hook ", "--set-file certs.caBundle=made/ca.crt"];
    for part in ["for hook.safe.svc, valid until "].into_iter().chain(hints) {
        assert!(text.contains(part), "{text}");
    }
    let (code, text) = certs(path, &["made"]);
    assert!(code == Some(2) && text.contains("made/tls.key"), "never overwrites files: {text}");
    assert_eq!(certs(path, &["--days", "0", "other"]).0, Some(2));
    let mode = fs::metadata(made.join("tls.key")).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(is_valid_for(&made, "hook.safe.svc"));
    assert!(!is_valid_for(&made, "hook.other.svc"));
    let server = serve_made(directory, &[]);
    assert_eq!(server.get_admin("/readyz").0, 200);
}

#[test]
fn generated_certificates_are_valid_for_ip_addresses() {
    let directory = temp_dir(&[("volcheck.yaml", POLICY)]);
    let (path, made) = (directory.path(), directory.path().join("made"));
    let names = ["--name", "fd00::1", "--name", "192.0.2.7", "--name", "volcheck.example"];
    let (code, text) = certs(path, &[&names[..], &["made"]].concat());
    assert_eq!(code, Some(0), "{text}");
    for part in ["for fd00::1, 192.0.2.7, volcheck.example, valid", "--static https://[fd00::1]:10250 "] {
        assert!(text.contains(part), "{text}");
    }
    for name in ["fd00::1", "192.0.2.7", "volcheck.example"] {
        assert!(is_valid_for(&made, name), "{name}");
    }
    for name in ["fd00::2", "192.0.2.8", "other.example", "volcheck.volcheck.svc"] {
        assert!(!is_valid_for(&made, name), "{name}");
    }
    for name in ["[fd00::1]", "192.0.2.7:443", "https://volcheck.example", "a b", ""] {
        let (code, text) = certs(path, &["--name", name, "other"]);
        assert!(code == Some(2) && text.contains("is not a DNS name or an IP address"), "{name}: {text}");
    }
    assert_eq!(certs(path, &["--name", "192.0.2.7", "--service", "hook", "other"]).0, Some(2));

    // `--tls-name` can be an IP address. A certificate for another address is rejected.
    let server = serve_made(directory, &["--tls-name", "fd00::1"]);
    assert_eq!(server.get_admin("/readyz").0, 200);
    let (cert, key) = server.ca.issue("fd00::2");
    server.replace_file("tls.key", &key);
    server.replace_file("tls.crt", &cert);
    let error = rejection_of_pair(&server);
    assert!(error.starts_with("tls.crt is not valid for fd00::1: "), "{error}");
}

#[test]
fn client_ca_admits_only_clients_with_allowed_names() {
    let (ca, client_ca, other_ca) = (TestCa::new(), TestCa::new(), TestCa::new());
    let (cert, key) = ca.issue(SERVER_NAME);
    let directory = temp_dir(&[
        ("tls.crt", &cert),
        ("tls.key", &key),
        ("volcheck.yaml", POLICY),
        ("ca.crt", &client_ca.0.pem()),
    ]);
    let flags = ["--client-ca", "ca.crt", "--client-name", "kube-apiserver", "--client-name", "front-proxy"];
    let more = ["--log-format", "json", "--log-level", "debug"];
    let server = WebhookServer::start_in(directory, Arc::new(ca), &[&flags[..], &more].concat());
    let is_allowed = |certificate: Option<&ClientCertificate>| {
        Client::connect(server.address, &server.ca, certificate)
            .and_then(|mut client| client.review(&pod_review(ALLOWED_PATH)))
            .is_ok_and(|response| response.is_allowed())
    };
    let api_server = client_ca.issue("kube-apiserver");
    assert!(is_allowed(Some(&api_server)));
    assert!(is_allowed(Some(&client_ca.issue("front-proxy"))));
    // The CA of the API server usually also signs certificates of kubelets and users.
    assert!(!is_allowed(Some(&client_ca.issue("system:node:a"))));
    assert!(!is_allowed(None));
    assert!(!is_allowed(Some(&other_ca.issue("kube-apiserver"))));
    assert_eq!(server.wait_for_log("allowed")["decision"], "allow");

    server.replace_file("ca.crt", "not a certificate");
    server.wait_for_log("failed to reload client CA, keeping the last valid one");
    assert!(is_allowed(Some(&api_server)));
    server.replace_file("ca.crt", &other_ca.0.pem());
    server.wait_for_log("client CA reloaded");
    assert!(is_allowed(Some(&other_ca.issue("kube-apiserver"))));
    assert!(!is_allowed(Some(&api_server)));
}

#[test]
fn drains_connections_before_shutting_down() {
    let mut server = WebhookServer::start(&["--drain-timeout", "4", "--idle-timeout", "100"]);
    let mut persistent = server.connect();
    let response = persistent.review(&pod_review(ALLOWED_PATH)).expect("a response");
    assert!(response.header("connection").is_none());
    // The body of one request is incomplete when the signal arrives.
    let mut in_flight = server.connect();
    let body = pod_review(DENIED_PATH);
    in_flight
        .send_raw(format!("{}Content-Length: {}\r\n\r\n", post("/validate", JSON), body.len()).as_bytes());
    in_flight.send_raw(&body.as_bytes()[..50]);
    server.signal("-TERM");
    server.wait_for_log("shutting down, draining connections");
    assert_eq!(server.get_admin("/readyz").0, 503);
    assert_eq!(server.get_admin("/livez").0, 200);
    // Clients that have not noticed the shutdown still get a verdict, and are asked to close the
    // connection.
    let mut late = server.connect();
    for client in [&mut persistent, &mut late] {
        let response = client.review(&pod_review(DENIED_PATH)).expect("a response");
        assert_eq!((response.is_allowed(), response.header("connection")), (false, Some("close")));
    }
    in_flight.send_raw(&body.as_bytes()[50..]);
    assert!(!read_response(&mut in_flight.0).expect("a response").is_allowed());
    server.wait_for_log("stopped");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn second_signal_stops_immediately() {
    let mut server = WebhookServer::start(&["--drain-timeout", "3600"]);
    server.signal("-INT");
    server.wait_for_log("shutting down, draining connections");
    server.signal("-INT");
    server.wait_for_log("stopped before draining finished");
    assert_eq!(server.exit_code(), Some(0));
}

/// Connects with these TLS versions. Returns the negotiated version and cipher suite.
fn negotiate(
    server: &WebhookServer,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.ca.0.der().clone()).expect("a CA");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = SERVER_NAME.try_into().expect("a name");
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let version = connection.protocol_version().expect("a version");
    let suite = connection.negotiated_cipher_suite().expect("a cipher suite");
    Ok(format!("{version:?} {:?}", suite.suite()))
}

#[test]
fn tls_settings_limit_versions_and_cipher_suites() {
    use rustls::version::{TLS12, TLS13};
    let server = WebhookServer::start(&[]);
    assert!(negotiate(&server, &[&TLS12]).expect("TLS 1.2").starts_with("TLSv1_2 "));
    assert!(negotiate(&server, &[&TLS12, &TLS13]).expect("TLS 1.3").starts_with("TLSv1_3 "));

    let server = WebhookServer::start(&["--tls-min-version", "1.3"]);
    negotiate(&server, &[&TLS12]).expect_err("a rejected version");
    assert!(negotiate(&server, &[&TLS12, &TLS13]).expect("TLS 1.3").starts_with("TLSv1_3 "));

    let server = WebhookServer::start(&[
        "--tls-cipher-suites",
        "TLS_CHACHA20_POLY1305_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ]);
    assert_eq!(
        negotiate(&server, &[&TLS12]).expect("TLS 1.2"),
        "TLSv1_2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    );
    assert_eq!(negotiate(&server, &[&TLS13]).expect("TLS 1.3"), "TLSv1_3 TLS13_CHACHA20_POLY1305_SHA256");

    // Without a cipher suite of TLS 1.3, clients that also support TLS 1.2 use this version.
    let server = WebhookServer::start(&["--tls-cipher-suites", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]);
    negotiate(&server, &[&TLS13]).expect_err("a rejected version");
    assert_eq!(
        negotiate(&server, &[&TLS12, &TLS13]).expect("TLS 1.2"),
        "TLSv1_2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    );
}

#[test]
fn rejects_invalid_tls_settings() {
    let ca = TestCa::new();
    let (cert, key) = ca.issue(SERVER_NAME);
    let directory = temp_dir(&[("tls.crt", &cert), ("tls.key", &key), ("volcheck.yaml", POLICY)]);
    let error = |arguments: &[&str]| {
        let output = serve_command(directory.path(), arguments).output().expect("volcheck");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let message = error(&["--tls-cipher-suites", "TLS_AES_128_GCM_SHA256,TLS_RSA_WITH_RC4_128_SHA"]);
    let expected = "invalid value 'TLS_RSA_WITH_RC4_128_SHA' for '--tls-cipher-suites <NAME>': unknown cipher suite, \
                    expected one of TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256, \
                    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ";
    assert!(message.contains(expected), "{message}");
    let message = error(&["--tls-cipher-suites", "TLS13_AES_128_GCM_SHA256"]);
    assert!(message.contains("unknown cipher suite"), "{message}");
    let message = error(&[
        "--tls-min-version=1.3",
        "--tls-cipher-suites=TLS_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ]);
    let expected = "--tls-cipher-suites: `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` is a cipher suite of TLS 1.2, but the \
                    minimum version is 1.3";
    assert!(message.contains(expected), "{message}");
    let message = error(&["--tls-min-version", "1.1"]);
    assert!(message.contains("unknown TLS version, expected 1.2 or 1.3"), "{message}");
}
