//! The webhook's server, asked as the API server asks: HTTP/1.1 over TLS, connections that are kept, no second try.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::support::folder;

const NAME: &str = "volcheck.volcheck.svc";

/// Longer than any test waits for anything.
const LONG: Duration = Duration::from_secs(60);

/// An authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    /// A certificate for a name and its key, in PEM.
    fn leaf(&self, name: &str) -> (String, String) {
        self.leaf_until(name, 4000)
    }

    fn leaf_until(&self, name: &str, year: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("a certificate");
        (cert.pem(), key.serialize_pem())
    }
}

/// A running server, its folder and its log.
struct Server {
    folder: tempfile::TempDir,
    child: Child,
    log: mpsc::Receiver<Value>,
    address: SocketAddr,
    admin: SocketAddr,
    authority: Authority,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A policy that denies host paths into the control plane's folder.
const POLICY: &str = "version: 1\nrules: {\"*\": off, sensitive-host-path: error}\n";

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let authority = Authority::new();
        let (cert, key) = authority.leaf(NAME);
        let folder = folder(&[("tls.crt", &cert), ("tls.key", &key), ("volcheck.yaml", POLICY)]);
        Self::start_in(folder, authority, arguments)
    }

    fn start_in(folder: tempfile::TempDir, authority: Authority, arguments: &[&str]) -> Self {
        let mut child = command(folder.path(), arguments).spawn().expect("volcheck");
        let lines = BufReader::new(child.stderr.take().expect("a log")).lines();
        let (sender, log) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let first: Value = log.recv_timeout(LONG).expect("a line");
        let address = |key: &str| {
            let text = first[key].as_str().unwrap_or_else(|| panic!("no {key} in {first}"));
            text.parse().expect("an address")
        };
        let (address, admin) = (address("address"), address("admin_address"));
        Self { folder, child, log, address, admin, authority }
    }

    fn client(&self) -> Client {
        Client::connect(self.address, &self.authority, None).expect("a connection")
    }

    /// A file of the server's, put there as a whole.
    fn put(&self, name: &str, text: &str) {
        let new = self.folder.path().join(format!("{name}.new"));
        fs::write(&new, text).expect("written");
        fs::rename(new, self.folder.path().join(name)).expect("put");
    }

    /// The next line of the log with this message.
    fn logged(&self, message: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(LONG).unwrap_or_else(|_| panic!("no line `{message}`"));
            if line["message"] == message {
                return line;
            }
        }
    }

    /// What the admin port answers: the status and the body.
    fn admin(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin).expect("the admin port");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("asked");
        let answer = read_answer(&mut BufReader::new(stream)).expect("an answer");
        (answer.status, answer.body)
    }

    /// The value of a metric, with its labels as they are written.
    fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").1;
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let values = lines.filter(|(metric, _)| *metric == name || metric.split('{').next() == Some(name));
        values.map(|(_, value)| value.parse::<f64>().expect("a number")).sum()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill");
        assert!(status.success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().expect("an end").code()
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volcheck"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args([
            "--tls-cert",
            "tls.crt",
            "--tls-key",
            "tls.key",
            "--policy",
            "volcheck.yaml",
            "--reload",
            "0.05",
        ])
        .args(if arguments.contains(&"--drain") { &[][..] } else { &["--drain", "0.3"] })
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// A kept connection.
struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn allowed(&self) -> bool {
        let review: Value =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        review["response"]["allowed"].as_bool().expect("a verdict")
    }
}

/// What shows who a client is, in PEM: a certificate and its key.
type Identity = (String, String);

impl Client {
    fn connect(
        address: SocketAddr,
        authority: &Authority,
        identity: Option<&Identity>,
    ) -> std::io::Result<Self> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone()).expect("an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let cert = CertificateDer::from_pem_slice(cert.as_bytes()).expect("a certificate");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(vec![cert], key).expect("an identity")
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LONG))?;
        let name = ServerName::try_from(NAME).expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, head: &str, body: &str) -> std::io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes())?;
        stream.write_all(body.as_bytes())?;
        stream.flush()
    }

    fn ask(&mut self, head: &str, body: &str) -> std::io::Result<Answer> {
        self.send(head, body)?;
        read_answer(&mut self.0)
    }

    fn review(&mut self, body: &str) -> std::io::Result<Answer> {
        self.ask(&post("/validate?timeout=5s", "application/json"), body)
    }

    /// The serial number of the server's certificate.
    fn serves(&self) -> Vec<u8> {
        self.0.get_ref().conn.peer_certificates().expect("a certificate")[0].to_vec()
    }
}

fn post(path: &str, content_type: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: kube-apiserver-admission\r\nContent-Type: {content_type}\r\n"
    )
}

fn read_answer(reader: &mut impl BufRead) -> std::io::Result<Answer> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((key, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((key.to_lowercase(), value.to_owned()));
    }
    let length =
        headers.iter().find(|(key, _)| key == "content-length").map(|(_, value)| value.parse::<usize>());
    let mut body = vec![0; length.transpose().expect("a length").unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Answer { status, headers, body: String::from_utf8(body).expect("UTF-8") })
}

fn review(path: &str) -> String {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/m", "readOnly": true}]}],
        "volumes": [{"name": "v", "hostPath": {"path": path, "type": "Directory"}}],
    }});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u-1", "operation": "CREATE", "namespace": "shop", "name": "p", "object": pod,
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "userInfo": {"username": "alice"},
    }})
    .to_string()
}

const GOOD: &str = "/srv/data";
const BAD: &str = "/etc/kubernetes";

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
    assert_eq!(server.metric("volcheck_admission_request_duration_seconds_count"), 6.0);
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
    assert!(server.metric("volcheck_errors_total{kind=\"decode\"}") >= 9.0);
    assert_eq!(server.metric("volcheck_errors_total{kind=\"too_large\"}"), 2.0);
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
}

#[test]
fn what_is_no_client_of_tls_doesn_t_disturb_the_others() {
    let server = Server::start(&["--read-timeout", "0.2"]);
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
    assert_eq!(server.metric("volcheck_errors_total{kind=\"tls\"}"), 3.0);
    assert_eq!(server.metric("volcheck_errors_total{kind=\"timeout\"}"), 1.0);
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
    // One that has expired by now is what there is: it is served, and it is said.
    let (cert, key) = server.authority.leaf_until(NAME, 2021);
    server.put("tls.crt", &cert);
    server.put("tls.key", &key);
    server.logged("certificate reloaded");
    let (status, text) = server.admin("/readyz");
    assert!(status == 503 && text.contains("has expired"), "{text}");
    assert_eq!(server.metric("volcheck_tls_cert_not_after_timestamp_seconds"), 1_609_459_200.0);
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
    let server = Server::start_in(folder, authority, &[]);
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
fn clients_show_who_they_are_where_that_is_asked_for() {
    let clients = Authority::new();
    let authority = Authority::new();
    let (cert, key) = authority.leaf(NAME);
    let folder = folder(&[
        ("tls.crt", &cert),
        ("tls.key", &key),
        ("volcheck.yaml", POLICY),
        ("ca.crt", &clients.0.pem()),
    ]);
    let server = Server::start_in(
        folder,
        authority,
        &["--client-ca", "ca.crt", "--log-format", "json", "--log-level", "debug"],
    );
    let ask = |identity: Option<&Identity>| {
        Client::connect(server.address, &server.authority, identity)
            .and_then(|mut client| client.review(&review(GOOD)))
    };
    assert!(ask(Some(&clients.leaf("kube-apiserver"))).expect("an answer").allowed());
    assert!(ask(None).is_err());
    assert!(ask(Some(&Authority::new().leaf("kube-apiserver"))).is_err());
    assert_eq!(server.logged("allowed")["decision"], "allow");
}

#[test]
fn an_end_comes_after_all_answers_and_tells_clients_to_go() {
    let mut server = Server::start(&["--drain", "1.5", "--idle-timeout", "100"]);
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
