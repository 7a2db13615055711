//! A control plane: etcd, the API server and the controllers, in the network namespace that the tests run in.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa};

/// As long as anything may take here.
pub const LONG: Duration = Duration::from_secs(120);

/// The address of the Service `kubernetes`, and the port that the API server listens on.
pub const API: (&str, u16) = ("10.0.0.1", 6443);

pub struct ControlPlane {
    pub folder: PathBuf,
    pub admin: Client,
    /// They run for as long as the tests do.
    _programs: Vec<Child>,
}

/// The folder of the API server's own registrations.
pub const STATIC: &str = "static";

/// The authority of the API server's certificate as a client of webhooks.
pub const CLIENTS: &str = "clients.crt";
/// Its name there.
pub const API_SERVER: &str = "kube-apiserver";

/// Who asks; each has a token, and a file for kubectl.
pub const ADMIN: &str = "admin";
/// Whose rights end at the namespace `shop`.
pub const TENANT: &str = "tenant";
/// The kubelet of the node `node`.
pub const NODE: &str = "node";

impl ControlPlane {
    pub async fn start(folder: PathBuf) -> Self {
        ip(&["link", "set", "lo", "up"]);
        ip(&["addr", "add", "10.0.0.1/32", "dev", "lo"]);
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let client = format!("http://127.0.0.1:{port}");
        let program = |name: &str| programs("VOLCHECK_E2E").join(name);
        let etcd = start(
            &folder,
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
        put(&folder, "accounts.key", &key.serialize_pem());
        put(&folder, "accounts.pub", &key.public_key_pem());
        put(
            &folder,
            "tokens.csv",
            "admin-token,admin,1,\"system:masters\"\ntenant-token,tenant,2\n\
             node-token,system:node:node,3,\"system:nodes\"\n",
        );
        put(
            &folder,
            "audit.yaml",
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n  \
             verbs: [create, update, patch]\n- level: Metadata\n  verbs: [get]\n  resources: \
             [{group: admissionregistration.k8s.io}]\n",
        );
        fs::create_dir(folder.join(STATIC)).expect("a folder");
        let configuration = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n\
             - name: ValidatingAdmissionWebhook\n  configuration:\n    apiVersion: apiserver.config.k8s.io/v1\n    \
             kind: WebhookAdmissionConfiguration\n    staticManifestsDir: {}\n    kubeConfigFile: {}\n",
            folder.join(STATIC).display(),
            folder.join("webhooks.conf").display()
        );
        certify(&folder);
        put(&folder, "admission.yaml", &configuration);
        for name in [ADMIN, TENANT, NODE] {
            put(&folder, &format!("{name}.conf"), &kubeconfig(name));
        }
        let api_server = start(
            &folder,
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
        until("the API server's certificate", || folder.join("pki/apiserver.crt").exists().then_some(()));
        let config = Kubeconfig::read_from(folder.join("admin.conf")).expect("a file for kubectl");
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
        let admin = Client::try_from(config.expect("a configuration")).expect("a client");
        let deadline = Instant::now() + LONG;
        while let Err(error) = is_ready(&admin).await {
            assert!(Instant::now() < deadline, "the API server isn't ready: {error:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let controllers = start(
            &folder,
            &program("kube-controller-manager"),
            &[
                "--kubeconfig=admin.conf",
                "--leader-elect=false",
                // Each controller has the account by which it is known in a cluster.
                "--use-service-account-credentials=true",
                "--service-account-private-key-file=accounts.key",
                "--root-ca-file=pki/apiserver.crt",
                // Nobody sends the heartbeats that these wait for.
                "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller",
                "--concurrent-deployment-syncs=2",
            ],
        );
        Self { folder, admin, _programs: vec![etcd, api_server, controllers] }
    }

    /// What the API server wrote of its audit.
    pub fn audit(&self) -> String {
        fs::read_to_string(self.folder.join("audit.log")).expect("the audit log")
    }
}

async fn is_ready(client: &Client) -> kube::Result<()> {
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

/// A certificate that the API server shows to webhooks, where these ask for one.
fn certify(folder: &Path) {
    let key = || rcgen::KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key()).expect("an authority");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, API_SERVER);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = key();
    put(folder, CLIENTS, &authority.pem());
    put(folder, "client.crt", &params.signed_by(&own, &authority).expect("a certificate").pem());
    put(folder, "client.key", &own.serialize_pem());
    let user = "users:\n- name: volcheck.volcheck.svc\n  user: {client-certificate: client.crt, client-key: client.key}\n";
    put(folder, "webhooks.conf", &format!("apiVersion: v1\nkind: Config\n{user}"));
}

/// The folder of programs that a variable of `tests/e2e/run.sh` names.
pub fn programs(variable: &str) -> PathBuf {
    std::env::var_os(variable).expect("tests/e2e/run.sh").into()
}

/// Starts a program in the folder, where its log comes to lie, too.
pub fn start(folder: &Path, program: &Path, arguments: &[&str]) -> Child {
    let name = program.file_name().expect("a name").display();
    let log = File::create(folder.join(format!("{name}.log"))).expect("a log");
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
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

pub fn put(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("written");
}

/// What `find` finds, once it does.
pub fn until<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
