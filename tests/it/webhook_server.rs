//! A running webhook server, and a client that behaves like the API server: HTTP/1.1 over TLS,
//! persistent connections, and no retries.

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

pub use crate::support::temp_dir;

/// The DNS name in the server's certificate.
pub const SERVER_NAME: &str = "volcheck.volcheck.svc";

/// The timeout for every wait in a test.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// A policy that denies host paths below `/etc/kubernetes`.
pub const POLICY: &str = "version: 1\nrules: {\"*\": off, sensitive-host-path: error}\n";

/// A host path without findings.
pub const ALLOWED_PATH: &str = "/srv/data";

/// A host path that `POLICY` denies.
pub const DENIED_PATH: &str = "/etc/kubernetes";

pub struct TestCa(pub CertifiedIssuer<'static, KeyPair>);

impl TestCa {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA"))
    }

    /// Issues a certificate for a name. Returns the certificate and its key, in PEM.
    pub fn issue(&self, name: &str) -> (String, String) {
        self.issue_until(name, 4000)
    }

    pub fn issue_until(&self, name: &str, year: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("a certificate");
        (cert.pem(), key.serialize_pem())
    }
}

/// A running `volcheck serve`, which is killed when dropped.
pub struct WebhookServer {
    pub directory: tempfile::TempDir,
    pub child: Child,
    pub log: mpsc::Receiver<Value>,
    pub address: SocketAddr,
    pub admin_address: SocketAddr,
    pub ca: Arc<TestCa>,
}

impl Drop for WebhookServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl WebhookServer {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with_ca(&Arc::new(TestCa::new()), arguments)
    }

    /// Starts a server with a certificate that `ca` issues. Several servers can share a CA.
    pub fn start_with_ca(ca: &Arc<TestCa>, arguments: &[&str]) -> Self {
        let (cert, key) = ca.issue(SERVER_NAME);
        let directory = temp_dir(&[("tls.crt", &cert), ("tls.key", &key), ("volcheck.yaml", POLICY)]);
        Self::start_in(directory, Arc::clone(ca), arguments)
    }

    /// Starts a server whose files are in `directory`.
    pub fn start_in(directory: tempfile::TempDir, ca: Arc<TestCa>, arguments: &[&str]) -> Self {
        let mut child = serve_command(directory.path(), arguments).spawn().expect("volcheck");
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
        let mut lines = Vec::new();
        let listening = loop {
            let line: Value = log.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("{lines:?}"));
            if line["message"] == "listening" {
                break line;
            }
            lines.push(line);
        };
        let address = |key: &str| listening[key].as_str().expect("an address").parse().expect("an address");
        let (address, admin_address) = (address("address"), address("admin_address"));
        Self { directory, child, log, address, admin_address, ca }
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address, &self.ca, None).expect("a connection")
    }

    /// Replaces a file of the server atomically.
    pub fn replace_file(&self, name: &str, text: &str) {
        let new = self.directory.path().join(format!("{name}.new"));
        fs::write(&new, text).expect("written");
        fs::rename(new, self.directory.path().join(name)).expect("renamed");
    }

    /// Waits for the next log line with this message.
    pub fn wait_for_log(&self, message: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("no line `{message}`"));
            if line["message"] == message {
                return line;
            }
        }
    }

    /// Sends a GET request to the admin port. Returns the status and the body.
    pub fn get_admin(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin_address).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
        let response = read_response(&mut BufReader::new(stream)).expect("a response");
        (response.status, response.body)
    }

    /// Returns the value of a metric, summed over all labels if `name` has none.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get_admin("/metrics").1;
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let values = lines.filter(|(metric, _)| *metric == name || metric.split('{').next() == Some(name));
        values.map(|(_, value)| value.parse::<f64>().expect("a number")).sum()
    }

    /// Waits until a metric reaches a value. A client may notice that a connection is closed before
    /// the server counts it.
    pub fn wait_for_metric(&self, name: &str, value: f64) {
        let _ = (0..10_000).any(|_| self.metric(name) >= value);
        assert_eq!(self.metric(name), value, "{name}");
    }

    pub fn signal(&self, name: &str) {
        // Use the builtin of the shell, because the program `kill` may not be installed.
        let script = format!("kill {name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &script]).status().expect("sh");
        assert!(status.success());
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().expect("an exit status").code()
    }
}

/// Returns the command that runs `volcheck serve` in `directory` on free ports.
pub fn serve_command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volcheck"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args(["--tls-cert", "tls.crt", "--tls-key", "tls.key", "--policy", "volcheck.yaml"])
        // If `arguments` repeats one of these flags, its value there takes precedence.
        .args(["--reload-interval", "0.05", "--drain-timeout", "0.3"])
        .args(arguments)
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// A persistent TLS connection to the webhook port.
pub struct Client(pub BufReader<StreamOwned<ClientConnection, TcpStream>>);

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn is_allowed(&self) -> bool {
        let review: Value =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        review["response"]["allowed"].as_bool().expect("a verdict")
    }
}

/// A client certificate and its key, in PEM.
pub type ClientCertificate = (String, String);

impl Client {
    pub fn connect(
        address: SocketAddr,
        ca: &TestCa,
        certificate: Option<&ClientCertificate>,
    ) -> std::io::Result<Self> {
        Self::connect_over(TcpStream::connect(address)?, ca, certificate)
    }

    pub fn connect_over(
        stream: TcpStream,
        ca: &TestCa,
        certificate: Option<&ClientCertificate>,
    ) -> std::io::Result<Self> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let mut roots = RootCertStore::empty();
        roots.add(ca.0.der().clone()).expect("a CA");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match certificate {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let cert = CertificateDer::from_pem_slice(cert.as_bytes()).expect("a certificate");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(vec![cert], key).expect("a client certificate")
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(SERVER_NAME).expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends bytes unchanged.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let stream = self.0.get_mut();
        stream.write_all(bytes).and_then(|()| stream.flush()).expect("sent");
    }

    /// Sends a request and returns the response.
    pub fn request(&mut self, head: &str, body: &str) -> std::io::Result<Response> {
        let stream = self.0.get_mut();
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        stream.flush()?;
        read_response(&mut self.0)
    }

    /// Sends a review and validates the response as the API server does (`VerifyAdmissionResponse`
    /// in `k8s.io/apiserver`): it must have the same version, kind and uid, and no patch.
    pub fn review(&mut self, body: &str) -> std::io::Result<Response> {
        let response = self.request(&post("/validate?timeout=5s", "application/json"), body)?;
        if response.status == 200 {
            let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            let (sent, received) = (parse(body), parse(&response.body));
            for key in ["apiVersion", "kind"] {
                assert_eq!(received[key], sent[key]);
            }
            assert_eq!(received["response"]["uid"], sent["request"]["uid"]);
            for key in ["patch", "patchType"] {
                assert!(received["response"].get(key).is_none(), "{key}");
            }
        }
        Ok(response)
    }

    /// Returns the server's certificate in DER.
    pub fn server_certificate(&self) -> Vec<u8> {
        self.0.get_ref().conn.peer_certificates().expect("a certificate")[0].to_vec()
    }
}

/// Returns the head of a POST request, without `Content-Length` and the final line break.
pub fn post(path: &str, content_type: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {SERVER_NAME}\r\nUser-Agent: kube-apiserver-admission\r\nContent-Type: {content_type}\r\n"
    )
}

pub fn read_response(reader: &mut impl BufRead) -> std::io::Result<Response> {
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
    Ok(Response { status, headers, body: String::from_utf8(body).expect("UTF-8") })
}

/// Returns a review of a new Pod with a read-only mount of this host path.
pub fn pod_review(host_path: &str) -> String {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/m", "readOnly": true}]}],
        "volumes": [{"name": "v", "hostPath": {"path": host_path, "type": "Directory"}}],
    }});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u-1", "operation": "CREATE", "namespace": "shop", "name": "p", "object": pod,
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "userInfo": {"username": "alice"},
    }})
    .to_string()
}
