//! A running server, and a client that asks as the API server does: HTTP/1.1 over TLS, connections that are kept, no
//! second try.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::support::folder;

pub const NAME: &str = "volcheck.volcheck.svc";

/// Longer than any test waits for anything.
pub const LONG: Duration = Duration::from_secs(60);

/// An authority.
pub struct Authority(pub CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    /// A certificate for a name and its key, in PEM.
    pub fn leaf(&self, name: &str) -> (String, String) {
        self.leaf_until(name, 4000)
    }

    pub fn leaf_until(&self, name: &str, year: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("a certificate");
        (cert.pem(), key.serialize_pem())
    }
}

/// A running server, its folder and its log.
pub struct Server {
    pub folder: tempfile::TempDir,
    pub child: Child,
    pub log: mpsc::Receiver<Value>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub authority: Arc<Authority>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A policy that denies host paths into the control plane's folder.
pub const POLICY: &str = "version: 1\nrules: {\"*\": off, sensitive-host-path: error}\n";

impl Server {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_under(&Arc::new(Authority::new()), arguments)
    }

    /// One of several with certificates of the same authority.
    pub fn start_under(authority: &Arc<Authority>, arguments: &[&str]) -> Self {
        let (cert, key) = authority.leaf(NAME);
        let folder = folder(&[("tls.crt", &cert), ("tls.key", &key), ("volcheck.yaml", POLICY)]);
        Self::start_in(folder, Arc::clone(authority), arguments)
    }

    pub fn start_in(folder: tempfile::TempDir, authority: Arc<Authority>, arguments: &[&str]) -> Self {
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

    pub fn client(&self) -> Client {
        Client::connect(self.address, &self.authority, None).expect("a connection")
    }

    /// A file of the server's, put there as a whole.
    pub fn put(&self, name: &str, text: &str) {
        let new = self.folder.path().join(format!("{name}.new"));
        fs::write(&new, text).expect("written");
        fs::rename(new, self.folder.path().join(name)).expect("put");
    }

    /// The next line of the log with this message.
    pub fn logged(&self, message: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(LONG).unwrap_or_else(|_| panic!("no line `{message}`"));
            if line["message"] == message {
                return line;
            }
        }
    }

    /// What the admin port answers: the status and the body.
    pub fn admin(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin).expect("the admin port");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("asked");
        let answer = read_answer(&mut BufReader::new(stream)).expect("an answer");
        (answer.status, answer.body)
    }

    /// The value of a metric, with its labels as they are written.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").1;
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let values = lines.filter(|(metric, _)| *metric == name || metric.split('{').next() == Some(name));
        values.map(|(_, value)| value.parse::<f64>().expect("a number")).sum()
    }

    /// Waits until a metric has come to a value: what a client sees of an end may come before it is counted.
    pub fn counts(&self, name: &str, value: f64) {
        let _ = (0..10_000).any(|_| self.metric(name) >= value);
        assert_eq!(self.metric(name), value, "{name}");
    }

    pub fn signal(&self, name: &str) {
        // A shell has it built in; a program of that name may be missing.
        let script = format!("kill {name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &script]).status().expect("sh");
        assert!(status.success());
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().expect("an end").code()
    }
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
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
pub struct Client(pub BufReader<StreamOwned<ClientConnection, TcpStream>>);

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn allowed(&self) -> bool {
        let review: Value =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        review["response"]["allowed"].as_bool().expect("a verdict")
    }
}

/// What shows who a client is, in PEM: a certificate and its key.
pub type Identity = (String, String);

impl Client {
    pub fn connect(
        address: SocketAddr,
        authority: &Authority,
        identity: Option<&Identity>,
    ) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(address)?, authority, identity)
    }

    pub fn over(
        stream: TcpStream,
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
        stream.set_read_timeout(Some(LONG))?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(NAME).expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        Ok(Self(BufReader::new(stream)))
    }

    pub fn send(&mut self, head: &str, body: &str) -> std::io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        stream.flush()
    }

    pub fn ask(&mut self, head: &str, body: &str) -> std::io::Result<Answer> {
        self.send(head, body)?;
        read_answer(&mut self.0)
    }

    /// The verdict on a review, taken as the API server takes one: of its version and kind, with the review's own uid, and
    /// without a patch (`VerifyAdmissionResponse` of `k8s.io/apiserver`).
    pub fn review(&mut self, body: &str) -> std::io::Result<Answer> {
        let answer = self.ask(&post("/validate?timeout=5s", "application/json"), body)?;
        if answer.status == 200 {
            let of = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            let (asked, said) = (of(body), of(&answer.body));
            assert_eq!((&said["apiVersion"], &said["kind"]), (&asked["apiVersion"], &asked["kind"]));
            assert_eq!(said["response"]["uid"], asked["request"]["uid"]);
            assert!(said["response"].get("patch").is_none() && said["response"].get("patchType").is_none());
        }
        Ok(answer)
    }

    /// The serial number of the server's certificate.
    pub fn serves(&self) -> Vec<u8> {
        self.0.get_ref().conn.peer_certificates().expect("a certificate")[0].to_vec()
    }
}

pub fn post(path: &str, content_type: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {NAME}\r\nUser-Agent: kube-apiserver-admission\r\nContent-Type: {content_type}\r\n"
    )
}

pub fn read_answer(reader: &mut impl BufRead) -> std::io::Result<Answer> {
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

pub fn review(path: &str) -> String {
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

/// A host path that nothing is said of.
pub const GOOD: &str = "/srv/data";
/// One that is denied.
pub const BAD: &str = "/etc/kubernetes";
