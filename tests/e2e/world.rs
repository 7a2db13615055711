//! What all tests share: one cluster, and what is installed in it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use kube::Client;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::control_plane::{ADMIN, ControlPlane, until};
use crate::kubelet::{self, Kubelet};
use crate::proxy;

/// Where volcheck is installed.
pub const NAMESPACE: &str = "volcheck";

pub struct World {
    pub runtime: Runtime,
    pub plane: ControlPlane,
    folder: TempDir,
    /// With what values volcheck is installed.
    installed: Mutex<Option<String>>,
}

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new()));

/// The world, for one test at a time.
pub fn world() -> MutexGuard<'static, World> {
    WORLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program did.
#[derive(Debug)]
pub struct Done {
    pub is_success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// What it printed, where it succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.is_success, "{self:#?}");
        self.stdout
    }

    /// What it complained of, where it failed.
    #[track_caller]
    pub fn failed(self) -> String {
        assert!(!self.is_success, "{self:#?}");
        self.stderr
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = Runtime::new().expect("a runtime");
        let plane = runtime.block_on(ControlPlane::start(folder.path().to_owned()));
        let world = Self { runtime, plane, folder, installed: Mutex::default() };
        const NAMESPACES: [&str; 6] = [NAMESPACE, "shop", "relaxed", "quiet", "blind", "strict"];
        for namespace in NAMESPACES {
            world.kubectl(&["create", "namespace", namespace]).ok();
        }
        for user in ["tenant", "system:node:node"] {
            let name = user.replace(':', "-");
            let user = format!("--user={user}");
            world.kubectl(&["create", "rolebinding", &name, "-n", "shop", "--clusterrole=admin", &user]).ok();
        }
        for namespace in NAMESPACES {
            // Pods are refused until the controllers have made it.
            until("the account", || {
                world.kubectl(&["get", "serviceaccount", "default", "-n", namespace]).is_success.then_some(())
            });
        }
        let client = world.plane.admin.clone();
        let pods = world.folder.path().join("pods");
        fs::create_dir(&pods).expect("a folder");
        let kubelet = world.runtime.block_on(Kubelet::new(client.clone(), NAMESPACE, pods));
        let playing =
            [world.runtime.spawn(kubelet.run()), world.runtime.spawn(proxy::run(client, NAMESPACE))];
        for one in playing {
            world.runtime.spawn(async {
                // Without it, everything that follows would wait in vain.
                if one.await.is_err() {
                    std::process::abort();
                }
            });
        }
        world
    }

    pub fn client(&self) -> Client {
        self.plane.admin.clone()
    }

    pub fn block<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A file of its own.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Done {
        self.run("kubectl", ADMIN, arguments, "")
    }

    /// kubectl with a manifest on its standard input.
    pub fn kubectl_with(&self, who: &str, arguments: &[&str], manifest: &str) -> Done {
        self.run("kubectl", who, arguments, manifest)
    }

    /// `kubectl apply` of a manifest, in a namespace.
    pub fn apply(&self, namespace: &str, manifest: &str) -> Done {
        self.kubectl_with(ADMIN, &["apply", "-n", namespace, "-f", "-"], manifest)
    }

    /// The addresses of volcheck's Pods.
    pub fn addresses(&self) -> Vec<String> {
        let path = "jsonpath={.items[*].status.podIP}";
        let text = self.kubectl(&["get", "pods", "-n", NAMESPACE, "-o", path]).ok();
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// A metric, with its labels as they are written, of all Pods together.
    pub fn metric(&self, name: &str) -> f64 {
        let value = |address: &String| {
            let text = self.block(get(address, "/metrics"));
            let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
            let values = lines.filter(|(metric, _)| metric.starts_with(name));
            values.map(|(_, value)| value.parse::<f64>().expect("a number")).sum::<f64>()
        };
        self.addresses().iter().map(value).sum()
    }

    /// The program that is tested, outside of any Pod.
    pub fn volcheck(&self, arguments: &[&str]) -> Done {
        self.run(&std::env::var("VOLCHECK").expect("tests/e2e/run.sh"), ADMIN, arguments, "")
    }

    /// Whether the API server would create what a manifest holds.
    pub fn try_out(&self, namespace: &str, manifest: &str) -> Done {
        self.kubectl_with(ADMIN, &["create", "--dry-run=server", "-n", namespace, "-f", "-"], manifest)
    }

    pub fn helm(&self, arguments: &[&str]) -> Done {
        self.run("helm", ADMIN, arguments, "")
    }

    fn run(&self, program: &str, who: &str, arguments: &[&str], stdin: &str) -> Done {
        let mut child = Command::new(program)
            .args(arguments)
            .env("KUBECONFIG", self.folder.path().join(format!("{who}.conf")))
            .env("HOME", self.folder.path())
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("an end");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Done { is_success: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Installs the chart with these values, unless it is; waits until it is ready, and until it is asked.
    pub fn install(&self, values: &str) {
        let before = self.installed.lock().expect("a lock").take();
        if before.as_deref() == Some(values) {
            *self.installed.lock().expect("a lock") = before;
            return;
        }
        let mode = |values: &str| values.lines().find(|line| line.starts_with("certs:")).map(str::to_owned);
        if before.is_some_and(|before| mode(&before) != mode(values)) {
            self.uninstall();
        }
        self.upgrade(values);
        if values.contains("mode: self") {
            // As the documentation says it.
            let is_there = "--for=jsonpath={.webhooks[0].name}=validate.volcheck.io";
            let registration = "validatingwebhookconfiguration/volcheck";
            self.kubectl(&["wait", is_there, "--timeout=2m", registration]).ok();
        }
        until("that the API server asks", || self.is_asked().then_some(()));
    }

    /// Installs the chart with these values, or another in its place, and waits until it is ready.
    pub fn upgrade(&self, values: &str) {
        let file = self.file("values.yaml", values).display().to_string();
        let upgrade = ["upgrade", "--install", "volcheck", "charts/volcheck", "-n", NAMESPACE, "-f", &file];
        self.helm(&[&upgrade[..], &["--wait", "--timeout", "120s"]].concat()).ok();
        *self.installed.lock().expect("a lock") = Some(values.to_owned());
    }

    /// Whether what volcheck denies in every mode but `off` is denied, or warned of.
    fn is_asked(&self) -> bool {
        let done = self.kubectl_with(
            ADMIN,
            &["apply", "-n", "shop", "--dry-run=server", "-f", "-"],
            &pod("asked", BAD),
        );
        done.stderr.contains("volcheck: ")
    }

    /// Takes it away, where it is installed.
    pub fn uninstall(&self) {
        *self.installed.lock().expect("a lock") = None;
        if !self.helm(&["status", "volcheck", "-n", NAMESPACE]).is_success {
            return;
        }
        self.helm(&["uninstall", "volcheck", "-n", NAMESPACE, "--wait", "--timeout", "120s"]).ok();
        // What still runs would begin the next one's authority.
        until("the Pods' end", || self.addresses().is_empty().then_some(()));
    }

    /// What the last process of the Pod of this name wrote.
    pub fn log_of(&self, pod: &str) -> String {
        kubelet::log(&self.folder.path().join("pods").join(pod))
    }

    /// What the processes of the Pods wrote, in lines of JSON.
    pub fn logs(&self) -> String {
        let entries = fs::read_dir(self.folder.path().join("pods")).expect("the logs");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let logs = paths.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| fs::read_to_string(path).expect("a log")).collect()
    }
}

/// What the admin port answers.
async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect((address, 8081)).await.expect("the admin port");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).await.expect("asked");
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

/// The folder of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Pod that mounts this host path of type Directory read-only.
pub fn pod(name: &str, path: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  \
         nodeSelector: {{kubernetes.io/hostname: node}}\n  containers:\n  - name: c\n    image: i\n    \
         volumeMounts: [{{name: v, mountPath: /m, readOnly: true}}]\n  volumes:\n  - name: v\n    \
         hostPath: {{path: {path}, type: Directory}}\n"
    )
}

/// A host path that nothing is said of.
pub const GOOD: &str = "/srv/data";
/// One that is denied.
pub const BAD: &str = "/etc/kubernetes";
