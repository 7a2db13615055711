//! A control plane: etcd, the API server and the controller manager, in the network namespace of
//! the tests.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa};

use crate::page::Page;

/// The timeout for every wait in the tests.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// The cluster IP of the Service `kubernetes`, and the port of the API server.
pub const API: (&str, u16) = ("10.0.0.1", 6443);

pub struct ControlPlane {
    /// The directory with the configuration, the certificates and the logs of all programs.
    pub directory: PathBuf,
    pub admin: Client,
    /// etcd, the API server and the controller manager, which run as long as the tests.
    _programs: Vec<Child>,
}

/// The name of the API server's `staticManifestsDir` in the directory of the control plane.
pub const STATIC_MANIFESTS: &str = "admission/static";

/// The file with the CA of the API server's client certificate. With this certificate, the API
/// server authenticates to webhooks.
pub const CLIENT_CA: &str = "clients.crt";
/// The common name of the API server's client certificate.
pub const API_SERVER: &str = "kube-apiserver";

/// A user with all rights. Each user has a token and a kubeconfig file.
pub const ADMIN: &str = "admin";
/// A user with the ClusterRole `admin` in the namespace `shop`.
pub const TENANT: &str = "tenant";
/// The user of the kubelet on the node `node`.
pub const NODE: &str = "node";

impl ControlPlane {
    pub async fn start(directory: PathBuf) -> Self {
        ip(&["link", "set", "lo", "up"]);
        ip(&["addr", "add", "10.0.0.1/32", "dev", "lo"]);
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let client = format!("http://127.0.0.1:{port}");
        let program = |name: &str| programs("VOLCHECK_E2E").join(name);
        let etcd = start(
            &directory,
            &program("etcd"),
            &[
                "--data-dir=etcd",
                "--unsafe-no-fsync",
                &format!("--listen-client-urls={client}"),
                &format!("--advertise-client-urls={client}"),
                "--listen-peer-urls=http://127.0.0.1:0",
            ],
        );
        let key = rcgen::KeyPair::generate().expect("a key");
        put(&directory, "accounts.key", &key.serialize_pem());
        put(&directory, "accounts.pub", &key.public_key_pem());
        put(
            &directory,
            "tokens.csv",
            "admin-token,admin,1,\"system:masters\"\ntenant-token,tenant,2\n\
             node-token,system:node:node,3,\"system:nodes\"\n",
        );
        put(
            &directory,
            "audit.yaml",
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n  \
             verbs: [create, update, patch]\n- level: Metadata\n  verbs: [get]\n  resources: \
             [{group: admissionregistration.k8s.io}]\n",
        );
        fs::create_dir_all(directory.join(STATIC_MANIFESTS)).expect("a directory");
        // The documented configuration, with a client certificate for other tests.
        let configuration = format!(
            "{}      kubeConfigFile: {}\n",
            Page::read("docs/static-registration.md", &directory).block("kind: AdmissionConfiguration"),
            directory.join("webhooks.conf").display()
        );
        create_client_certificate(&directory);
        put(&directory, "admission.yaml", &configuration);
        for name in [ADMIN, TENANT, NODE] {
            put(&directory, &format!("{name}.conf"), &kubeconfig(name));
        }
        let api_server = start(
            &directory,
            &program("kube-apiserver"),
            &[
                &format!("--etcd-servers={client}"),
                "--cert-dir=pki",
                "--bind-address=0.0.0.0",
                &format!("--secure-port={}", API.1),
                "--advertise-address=10.0.0.1",
                "--external-hostname=localhost",
                "--endpoint-reconciler-type=none",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-account-key-file=accounts.pub",
                "--service-account-signing-key-file=accounts.key",
                "--token-auth-file=tokens.csv",
                "--authorization-mode=RBAC",
                "--allow-privileged=true",
                "--admission-control-config-file=admission.yaml",
                "--audit-policy-file=audit.yaml",
                "--audit-log-path=audit.log",
            ],
        );
        wait_for("the API server's certificate", || {
            directory.join("pki/apiserver.crt").exists().then_some(())
        });
        let config = Kubeconfig::read_from(directory.join("admin.conf")).expect("a kubeconfig file");
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
        let admin = Client::try_from(config.expect("a configuration")).expect("a client");
        let deadline = Instant::now() + TIMEOUT;
        while let Err(error) = check_readiness(&admin).await {
            assert!(Instant::now() < deadline, "the API server is not ready: {error:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let controllers = start(
            &directory,
            &program("kube-controller-manager"),
            &[
                "--kubeconfig=admin.conf",
                "--leader-elect=false",
                // Each controller has its own service account, as in a real cluster.
                "--use-service-account-credentials=true",
                "--service-account-private-key-file=accounts.key",
                "--root-ca-file=pki/apiserver.crt",
                // These controllers require heartbeats, which the simulated kubelet does not send.
                "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller",
                "--concurrent-deployment-syncs=2",
            ],
        );
        Self { directory, admin, _programs: vec![etcd, api_server, controllers] }
    }

    /// Returns the audit log, one JSON object per line.
    pub fn audit_log(&self) -> String {
        fs::read_to_string(self.directory.join("audit.log")).expect("the audit log")
    }
}

async fn check_readiness(client: &Client) -> kube::Result<()> {
    let request = http::Request::get("/readyz").body(Vec::new()).expect("a request");
    client.request_text(request).await.map(drop)
}

fn kubeconfig(name: &str) -> String {
    let port = API.1;
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: e2e\nclusters:\n- name: e2e\n  cluster:\n    \
         server: https://localhost:{port}\n    certificate-authority: pki/apiserver.crt\ncontexts:\n- name: e2e\n  \
         context: {{cluster: e2e, user: {name}}}\nusers:\n- name: {name}\n  user: {{token: {name}-token}}\n"
    )
}

/// Creates the certificate with which the API server authenticates to webhooks that request one.
fn create_client_certificate(directory: &Path) {
    let key = || rcgen::KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, key()).expect("a CA");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, API_SERVER);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client_key = key();
    put(directory, CLIENT_CA, &ca.pem());
    put(directory, "client.crt", &params.signed_by(&client_key, &ca).expect("a certificate").pem());
    put(directory, "client.key", &client_key.serialize_pem());
    let user = "users:\n- name: volcheck.volcheck.svc\n  user: {client-certificate: client.crt, client-key: client.key}\n";
    put(directory, "webhooks.conf", &format!("apiVersion: v1\nkind: Config\n{user}"));
}

/// Returns the directory of programs that `tests/e2e/run.sh` stores in this environment variable.
pub fn programs(variable: &str) -> PathBuf {
    std::env::var_os(variable).expect("the variable is set by tests/e2e/run.sh").into()
}

/// Starts a program in `directory`, and writes its log there.
pub fn start(directory: &Path, program: &Path, arguments: &[&str]) -> Child {
    let name = program.file_name().expect("a name").display();
    let log = File::create(directory.join(format!("{name}.log"))).expect("a log");
    Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a copy"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

pub fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub fn put(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).expect("written");
}

/// Calls `find` until it returns a value. Panics with `what` after the timeout.
pub fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
