//! The test harness: one cluster for all tests, and the volcheck release in it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use kube::Client;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::control_plane::{ADMIN, ControlPlane, wait_for};
use crate::kubelet::{self, Kubelet};
use crate::proxy;

/// The namespace of the release.
pub const NAMESPACE: &str = "volcheck";

pub struct Harness {
    pub runtime: Runtime,
    pub control_plane: ControlPlane,
    directory: TempDir,
    /// The values of the installed release, if known.
    installed: Mutex<Option<String>>,
}

static HARNESS: LazyLock<Mutex<Harness>> = LazyLock::new(|| Mutex::new(Harness::new()));

/// Locks the harness for the calling test, and returns it.
pub fn harness() -> MutexGuard<'static, Harness> {
    HARNESS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The result of a command.
#[derive(Debug)]
pub struct Completed {
    pub is_success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Completed {
    /// Asserts that the command succeeded and returns its standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.is_success, "{self:#?}");
        self.stdout
    }

    /// Asserts that the command failed and returns its standard error.
    #[track_caller]
    pub fn failed(self) -> String {
        assert!(!self.is_success, "{self:#?}");
        self.stderr
    }
}

impl Harness {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let runtime = Runtime::new().expect("a runtime");
        let control_plane = runtime.block_on(ControlPlane::start(directory.path().to_owned()));
        let harness = Self { runtime, control_plane, directory, installed: Mutex::default() };
        const NAMESPACES: [&str; 6] = [NAMESPACE, "shop", "relaxed", "quiet", "unchecked", "strict"];
        for namespace in NAMESPACES {
            harness.kubectl(&["create", "namespace", namespace]).ok();
        }
        for user in ["tenant", "system:node:node"] {
            let name = user.replace(':', "-");
            let user = format!("--user={user}");
            harness
                .kubectl(&["create", "rolebinding", &name, "-n", "shop", "--clusterrole=admin", &user])
                .ok();
        }
        for namespace in NAMESPACES {
            // The API server rejects Pods until the controller manager has created the service
            // account.
            wait_for("the service account", || {
                let account = harness.kubectl(&["get", "serviceaccount", "default", "-n", namespace]);
                account.is_success.then_some(())
            });
        }
        let client = harness.client();
        let pods = harness.directory.path().join("pods");
        fs::create_dir(&pods).expect("a directory");
        let kubelet = harness.runtime.block_on(Kubelet::new(client.clone(), NAMESPACE, pods));
        let tasks =
            [harness.runtime.spawn(kubelet.run()), harness.runtime.spawn(proxy::run(client, NAMESPACE))];
        for task in tasks {
            harness.runtime.spawn(async {
                // Abort if a task panics, because all later tests would time out.
                if task.await.is_err() {
                    std::process::abort();
                }
            });
        }
        harness
    }

    pub fn client(&self) -> Client {
        self.control_plane.admin.clone()
    }

    pub fn block<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Writes a temporary file and returns its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Completed {
        self.run("kubectl", ADMIN, arguments, "")
    }

    /// Runs kubectl as `user`, with a manifest on its standard input.
    pub fn kubectl_with(&self, user: &str, arguments: &[&str], manifest: &str) -> Completed {
        self.run("kubectl", user, arguments, manifest)
    }

    pub fn apply(&self, namespace: &str, manifest: &str) -> Completed {
        self.kubectl_with(ADMIN, &["apply", "-n", namespace, "-f", "-"], manifest)
    }

    /// Creates the objects of a manifest in a server-side dry run.
    pub fn dry_run(&self, namespace: &str, manifest: &str) -> Completed {
        self.kubectl_with(ADMIN, &["create", "--dry-run=server", "-n", namespace, "-f", "-"], manifest)
    }

    pub fn helm(&self, arguments: &[&str]) -> Completed {
        self.run("helm", ADMIN, arguments, "")
    }

    /// Runs the volcheck binary under test outside of a Pod.
    pub fn volcheck(&self, arguments: &[&str]) -> Completed {
        self.run(
            &std::env::var("VOLCHECK").expect("VOLCHECK is set by tests/e2e/run.sh"),
            ADMIN,
            arguments,
            "",
        )
    }

    /// Runs a documented command as a shell does. The tested program is `bin/volcheck`, which
    /// `install_program` creates.
    pub fn shell(&self, command: &str) -> Completed {
        self.shell_in(root(), command)
    }

    /// Runs a documented command in a directory.
    pub fn shell_in(&self, directory: &Path, command: &str) -> Completed {
        self.run_in(directory, "sh", ADMIN, &["-euc", command], "")
    }

    fn run(&self, program: &str, user: &str, arguments: &[&str], stdin: &str) -> Completed {
        self.run_in(root(), program, user, arguments, stdin)
    }

    fn run_in(
        &self,
        directory: &Path,
        program: &str,
        user: &str,
        arguments: &[&str],
        stdin: &str,
    ) -> Completed {
        let path = std::env::var("PATH").expect("a path");
        let mut child = Command::new(program)
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.directory.path().join("bin").display()))
            .env("KUBECONFIG", self.directory.path().join(format!("{user}.conf")))
            .env("HOME", self.directory.path())
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("an exit status");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Completed {
            is_success: output.status.success(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Copies the tested program to `bin/volcheck` in the directory of the control plane, which all
    /// users can then access.
    pub fn install_program(&self) {
        let directory = self.directory.path();
        fs::create_dir_all(directory.join("bin")).expect("a directory");
        let program = std::env::var("VOLCHECK").expect("VOLCHECK is set by tests/e2e/run.sh");
        fs::copy(program, directory.join("bin/volcheck")).expect("copied");
        for directory in [directory, directory.parent().expect("a parent")] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o711)).expect("a mode");
        }
    }

    /// Returns the IP addresses of volcheck's Pods.
    pub fn pod_ips(&self) -> Vec<String> {
        self.pods("{.items[*].status.podIP}")
    }

    /// Returns the names of volcheck's Pods, including those that are terminating.
    pub fn pod_names(&self) -> Vec<String> {
        self.pods("{.items[*].metadata.name}")
    }

    /// Returns the values at a JSONPath in the list of volcheck's Pods. Pods of hooks and of `helm
    /// test` are omitted.
    fn pods(&self, path: &str) -> Vec<String> {
        let (label, path) = ("app.kubernetes.io/name=volcheck", format!("jsonpath={path}"));
        let text = self.kubectl(&["get", "pods", "-n", NAMESPACE, "-l", label, "-o", &path]).ok();
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Returns the sum of a metric over all Pods and over all series that start with `name`, which
    /// may include labels.
    pub fn metric(&self, name: &str) -> f64 {
        let value = |address: &String| {
            let text = self.metrics_of(address);
            let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
            let values = lines.filter(|(metric, _)| metric.starts_with(name));
            values.map(|(_, value)| value.parse::<f64>().expect("a number")).sum::<f64>()
        };
        self.pod_ips().iter().map(value).sum()
    }

    /// Returns the metrics of one of the Pods.
    pub fn metrics(&self) -> String {
        self.metrics_of(self.pod_ips().first().expect("a Pod"))
    }

    fn metrics_of(&self, address: &str) -> String {
        let response = self.block(get_admin(address, "/metrics"));
        response.split_once("\r\n\r\n").expect("a body").1.to_owned()
    }

    /// Installs the chart with these values, unless the installed release has them already. Waits
    /// until the API server calls the webhook.
    pub fn install(&self, values: &str) {
        let before = self.installed.lock().expect("a lock").take();
        if before.as_deref() == Some(values) {
            *self.installed.lock().expect("a lock") = before;
            return;
        }
        let certs = |values: &str| values.lines().find(|line| line.starts_with("certs:")).map(str::to_owned);
        if before.is_some_and(|before| certs(&before) != certs(values)) {
            self.uninstall();
        }
        self.upgrade(values);
        if values.contains("mode: self") {
            // The command from the notes of the chart.
            let is_registered = "--for=jsonpath={.webhooks[0].name}=validate.volcheck.io";
            let registration = "validatingwebhookconfiguration/volcheck";
            self.kubectl(&["wait", is_registered, "--timeout=2m", registration]).ok();
        }
        self.wait_for_review();
    }

    /// Waits until the API server calls the webhook.
    pub fn wait_for_review(&self) {
        wait_for("a review", || self.is_reviewing().then_some(()));
    }

    /// Installs or upgrades the release with these values and waits until its Pods are ready.
    pub fn upgrade(&self, values: &str) {
        let file = self.file("values.yaml", values).display().to_string();
        let upgrade = ["upgrade", "--install", "volcheck", "charts/volcheck", "-n", NAMESPACE, "-f", &file];
        self.helm(&[&upgrade[..], &["--wait", "--timeout", "120s"]].concat()).ok();
        *self.installed.lock().expect("a lock") = Some(values.to_owned());
    }

    /// Checks whether volcheck denies a bad Pod or warns about it.
    fn is_reviewing(&self) -> bool {
        let arguments = ["apply", "-n", "shop", "--dry-run=server", "-f", "-"];
        self.kubectl_with(ADMIN, &arguments, &pod("reviewed", BAD)).stderr.contains("volcheck: ")
    }

    /// Uninstalls the release, if there is one, and waits until its Pods are gone.
    pub fn uninstall(&self) {
        *self.installed.lock().expect("a lock") = None;
        if !self.helm(&["status", "volcheck", "-n", NAMESPACE]).is_success {
            return;
        }
        self.helm(&["uninstall", "volcheck", "-n", NAMESPACE, "--wait", "--timeout", "120s"]).ok();
        // A Pod that is still running would write to the CA Secret of the next release.
        wait_for("the Pods to stop", || self.pod_ips().is_empty().then_some(()));
    }

    /// Returns the logs of all Pods so far whose names start with `prefix`, in the order of their
    /// starts.
    pub fn logs_of(&self, prefix: &str) -> Vec<String> {
        kubelet::logs(&self.directory.path().join("pods"), prefix)
    }

    /// Forgets the values of the installed release, because a test has changed it.
    pub fn forget(&self) {
        *self.installed.lock().expect("a lock") = Some(String::new());
    }

    /// Returns the log of the last Pod with this name.
    pub fn log_of(&self, pod: &str) -> String {
        kubelet::log(&self.directory.path().join("pods").join(pod))
    }
}

/// Sends a GET request to the admin port and returns the whole response.
async fn get_admin(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect((address, 8081)).await.expect("the admin port");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut response = String::new();
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream.read_to_string(&mut response).await.expect("a response");
    response
}

/// Returns the root directory of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns a Pod with a read-only mount of this host path, which has the type Directory.
pub fn pod(name: &str, path: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  \
         nodeSelector: {{kubernetes.io/hostname: node}}\n  containers:\n  - name: c\n    image: i\n    \
         volumeMounts: [{{name: v, mountPath: /m, readOnly: true}}]\n  volumes:\n  - name: v\n    \
         hostPath: {{path: {path}, type: Directory}}\n"
    )
}

/// A host path without findings.
pub const GOOD: &str = "/srv/data";
/// A host path that is denied.
pub const BAD: &str = "/etc/kubernetes";
