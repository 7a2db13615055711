//! A simulated scheduler, and a simulated kubelet for one node.
//!
//! Each Pod has an IP address, one process, and volumes whose files are replaced atomically when
//! their source changes. As in the image, the root directory of the process contains only the
//! program and the mounts.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Permissions};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret, ServiceAccount, Volume};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time;

use crate::control_plane::{API, ip};

/// The user of Pods without `runAsUser`, as OpenShift would assign it.
const USER: i64 = 1_000_650_000;

/// The files of a volume: the path below the mount, and the content.
type Files = BTreeMap<String, Vec<u8>>;

/// A Pod with a process.
struct RunningPod {
    name: String,
    pod: Pod,
    child: Child,
    root: PathBuf,
    address: IpAddr,
    volumes: HashMap<String, Files>,
    is_ready: bool,
    /// The time of the last readiness probe.
    last_probe: Option<Instant>,
    /// The time at which the Pod started to terminate.
    terminating_since: Option<Instant>,
    /// Whether the process has exited and this was reported to the API server.
    is_finished: bool,
}

pub struct Kubelet {
    client: Client,
    namespace: String,
    /// The directory with the root directory and the log of each Pod.
    directory: PathBuf,
    /// The running Pods, by uid.
    running: BTreeMap<String, RunningPod>,
    /// The number of Pods started so far. It determines the IP address of the next Pod.
    started: u16,
}

impl Kubelet {
    pub async fn new(client: Client, namespace: &str, directory: PathBuf) -> Self {
        let nodes: Api<Node> = Api::all(client.clone());
        let node = json!({"metadata": {"name": "node"}});
        let node = serde_json::from_value(node).expect("a node");
        nodes.create(&PostParams::default(), &node).await.expect("a node");
        Self { client, namespace: namespace.to_owned(), directory, running: BTreeMap::new(), started: 0 }
    }

    /// Runs the Pods of the namespace. Never returns.
    pub async fn run(mut self) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        loop {
            time::sleep(Duration::from_millis(100)).await;
            let Ok(list) = pods.list(&ListParams::default()).await else { continue };
            for pod in &list {
                self.sync(&pods, pod).await;
            }
            for running in self.running.values_mut() {
                running.sync(&self.client, &self.namespace, &pods).await;
            }
            self.running.retain(|_, running| !running.is_finished);
        }
    }

    async fn sync(&mut self, pods: &Api<Pod>, pod: &Pod) {
        let (name, uid) = (pod.name_any(), pod.uid().expect("a uid"));
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if let Some("Succeeded" | "Failed") = phase {
            // The Pod is not restarted, and the API server deletes it without the kubelet.
            return;
        }
        let is_terminating = pod.metadata.deletion_timestamp.is_some();
        if let Some(running) = self.running.get_mut(&uid) {
            if is_terminating && running.terminating_since.is_none() {
                running.terminating_since = Some(Instant::now());
                signal(&running.child, "TERM");
            }
            return;
        }
        let spec = pod.spec.as_ref().expect("a spec");
        if is_terminating {
            // The Pod was deleted before it was started.
            let _ = pods.delete(&name, &immediately()).await;
        } else if spec.node_name.is_none() {
            let binding = json!({
                "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
                "target": {"apiVersion": "v1", "kind": "Node", "name": "node"},
            });
            let _: Result<serde_json::Value, _> =
                pods.create_subresource("binding", &name, &PostParams::default(), &binding).await;
        } else if let Some(running) = self.start(pod).await {
            self.running.insert(uid, running);
        }
    }

    /// Starts a Pod. Returns `None` if a volume's source does not exist yet.
    async fn start(&mut self, pod: &Pod) -> Option<RunningPod> {
        let spec = pod.spec.as_ref()?;
        let mut volumes = HashMap::new();
        for volume in spec.volumes.iter().flatten() {
            volumes
                .insert(volume.name.clone(), files(&self.client, &self.namespace, pod, volume, None).await?);
        }
        let name = pod.name_any();
        self.started += 1;
        let [high, low] = self.started.to_be_bytes();
        let address = format!("10.1.{high}.{low}");
        let network = format!("pod{}", self.started);
        create_network(&network, &address);
        let root = self.directory.join(&name);
        fs::create_dir_all(&root).expect("a root");
        let program = std::env::var_os("VOLCHECK").expect("VOLCHECK is set by tests/e2e/run.sh");
        fs::copy(program, root.join("volcheck")).expect("the program");
        let log = File::create(self.directory.join(format!("{name}.log"))).expect("a log");
        publish_all(&root, pod, &volumes);
        let container = &spec.containers[0];
        let security = spec.security_context.clone().unwrap_or_default();
        // Without `runAsGroup`, the group is 0: the image has no /etc/passwd with another group for
        // the user.
        let user = security.run_as_user.unwrap_or(USER);
        let group = security.run_as_group.unwrap_or(0);
        let identity = format!("--userspec={user}:{group}");
        let child = Command::new("ip")
            .args(["netns", "exec", &network, "chroot", &identity])
            .arg(&root)
            .arg("/volcheck")
            .args(container.args.iter().flatten())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("a path"))
            .env("KUBERNETES_SERVICE_HOST", API.0)
            .env("KUBERNETES_SERVICE_PORT", API.1.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("a process");
        Some(RunningPod {
            name,
            pod: pod.clone(),
            child,
            root,
            address: address.parse().expect("an address"),
            volumes,
            is_ready: false,
            last_probe: None,
            terminating_since: None,
            is_finished: false,
        })
    }
}

impl RunningPod {
    /// Probes the process and updates its volumes while it runs, and handles its exit.
    async fn sync(&mut self, client: &Client, namespace: &str, pods: &Api<Pod>) {
        let spec = self.pod.spec.as_ref().expect("a spec");
        let grace = u64::try_from(spec.termination_grace_period_seconds.unwrap_or(30)).expect("a time");
        let exited = self.child.try_wait().expect("a process");
        if self.terminating_since.is_some_and(|since| since.elapsed() > Duration::from_secs(grace))
            && exited.is_none()
        {
            self.child.kill().expect("killed");
        }
        if let Some(status) = exited {
            self.is_finished = match self.terminating_since {
                None => self.report_phase(status.success(), pods).await,
                Some(_) => {
                    let _ = pods.delete(&self.name, &immediately()).await;
                    true
                }
            };
            return;
        }
        self.probe(pods).await;
        self.update_volumes(client, namespace).await;
    }

    /// Sets the phase of a Pod whose process exited without being terminated. Returns whether that
    /// succeeded.
    async fn report_phase(&self, is_success: bool, pods: &Api<Pod>) -> bool {
        let spec = self.pod.spec.as_ref().expect("a spec");
        // Only the Pods of `helm test` exit. If volcheck crashes, the tests must fail.
        let may_exit = spec.restart_policy.as_deref() == Some("Never");
        assert!(may_exit, "{} crashed: {}", self.name, log(&self.root));
        let phase = if is_success { "Succeeded" } else { "Failed" };
        let phase = Patch::Merge(json!({"status": {"phase": phase}}));
        pods.patch_status(&self.name, &PatchParams::default(), &phase).await.is_ok()
    }

    async fn probe(&mut self, pods: &Api<Pod>) {
        let spec = self.pod.spec.as_ref().expect("a spec");
        let Some(probe) = &spec.containers[0].readiness_probe else { return };
        let period = Duration::from_secs(u64::try_from(probe.period_seconds.unwrap_or(10)).expect("a time"));
        if self.last_probe.is_some_and(|at| at.elapsed() < period) {
            return;
        }
        let path = probe.http_get.as_ref().and_then(|get| get.path.as_deref()).expect("a path");
        let is_ready =
            time::timeout(Duration::from_secs(1), returns_ok(SocketAddr::new(self.address, 8081), path))
                .await
                .unwrap_or(false);
        if self.last_probe.is_some() && is_ready == self.is_ready {
            self.last_probe = Some(Instant::now());
            return;
        }
        let word = if is_ready { "True" } else { "False" };
        let (container, image) = (&spec.containers[0].name, &spec.containers[0].image);
        let status = json!({"status": {
            "phase": "Running",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "conditions": [{"type": "Ready", "status": word}, {"type": "ContainersReady", "status": word}],
            "containerStatuses": [{
                "name": container, "image": image, "imageID": "", "ready": is_ready, "restartCount": 0,
                "state": {"running": {}},
            }],
        }});
        if pods.patch_status(&self.name, &PatchParams::default(), &Patch::Merge(&status)).await.is_ok() {
            (self.is_ready, self.last_probe) = (is_ready, Some(Instant::now()));
        }
    }

    /// Replaces the volumes whose source has changed.
    async fn update_volumes(&mut self, client: &Client, namespace: &str) {
        let mut changed = false;
        for volume in self.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
            let old = self.volumes.get(&volume.name);
            let Some(new) = files(client, namespace, &self.pod, volume, old).await else { continue };
            changed |= self.volumes.insert(volume.name.clone(), new.clone()) != Some(new);
        }
        if changed {
            publish_all(&self.root, &self.pod, &self.volumes);
        }
    }
}

/// Returns the log of the Pod with this root directory.
pub fn log(root: &Path) -> String {
    fs::read_to_string(root.with_extension("log")).unwrap_or_default()
}

/// Returns the logs of the Pods whose names start with `prefix`, in the order of their starts.
pub fn logs(directory: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let is_log = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "log")
            && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    let mut logs: Vec<_> = entries
        .filter(is_log)
        .map(|path| {
            let metadata = fs::metadata(&path).expect("metadata");
            (metadata.created().or_else(|_| metadata.modified()).expect("a time"), path)
        })
        .collect();
    logs.sort();
    logs.into_iter().map(|(_, path)| fs::read_to_string(path).expect("a log")).collect()
}

/// Returns the files of a volume. Keeps a token that `old` contains. Returns `None` if the source
/// of the volume does not exist yet or is not simulated.
async fn files(
    client: &Client,
    namespace: &str,
    pod: &Pod,
    volume: &Volume,
    old: Option<&Files>,
) -> Option<Files> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    if let Some(source) = &volume.secret {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let secret = secrets.get(source.secret_name.as_ref()?).await.ok()?;
        return Some(secret.data?.into_iter().map(|(key, value)| (key, value.0)).collect());
    }
    if let Some(source) = &volume.config_map {
        let map = maps.get(&source.name).await.ok()?;
        return Some(map.data?.into_iter().map(|(key, value)| (key, value.into_bytes())).collect());
    }
    let mut files = Files::new();
    for source in volume.projected.as_ref()?.sources.iter().flatten() {
        if let Some(token) = &source.service_account_token {
            let text = match old.and_then(|files| files.get(&token.path)) {
                Some(text) => text.clone(),
                None => request_token(client, namespace, pod).await?.into_bytes(),
            };
            files.insert(token.path.clone(), text);
        }
        if let Some(map) = &source.config_map {
            let data = maps.get(&map.name).await.ok()?.data?;
            for item in map.items.iter().flatten() {
                files.insert(item.path.clone(), data.get(&item.key)?.clone().into_bytes());
            }
        }
        for item in source.downward_api.iter().flat_map(|source| source.items.iter().flatten()) {
            files.insert(item.path.clone(), namespace.as_bytes().to_vec());
        }
    }
    Some(files)
}

async fn request_token(client: &Client, namespace: &str, pod: &Pod) -> Option<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account = pod.spec.as_ref()?.service_account_name.clone()?;
    let spec = TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let created = accounts.create_token_request(&account, &PostParams::default(), &request).await.ok()?;
    Some(created.status?.token)
}

/// Writes the files of all volumes to their mount paths.
fn publish_all(root: &Path, pod: &Pod, volumes: &HashMap<String, Files>) {
    let spec = pod.spec.as_ref().expect("a spec");
    let group = spec.security_context.as_ref().and_then(|security| security.fs_group);
    let group = group.map(|group| u32::try_from(group).expect("a group"));
    for mount in spec.containers[0].volume_mounts.iter().flatten() {
        let directory = root.join(mount.mount_path.trim_start_matches('/'));
        fs::create_dir_all(&directory).expect("a directory");
        publish(&directory, &volumes[&mount.name], group);
    }
}

/// Replaces the files of a volume atomically, as
/// `k8s.io/kubernetes/pkg/volume/util/atomic_writer.go` does: each file is a link into `..data`,
/// which is a link to the directory of the current version.
fn publish(directory: &Path, files: &Files, group: Option<u32>) {
    let old = fs::read_link(directory.join("..data")).ok();
    let version =
        old.as_ref().and_then(|old| old.to_str()?.strip_prefix("..")?.parse::<u32>().ok()).unwrap_or(0);
    let new = format!("..{}", version + 1);
    fs::create_dir_all(directory.join(&new)).expect("a directory");
    for (name, bytes) in files {
        let path = directory.join(&new).join(name);
        fs::write(&path, bytes).expect("written");
        // Without `fsGroup`, all users can read the files.
        let mode = if group.is_some() { 0o440 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
        chown(&path, None, group).expect("an owner");
        let link = directory.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(name), link).expect("a link");
        }
    }
    let next = directory.join("..data_tmp");
    symlink(&new, &next).expect("a link");
    fs::rename(next, directory.join("..data")).expect("renamed");
    if let Some(old) = old {
        fs::remove_dir_all(directory.join(old)).expect("removed");
    }
}

/// Creates a network namespace with this address, and connects it to the namespace of the tests.
fn create_network(name: &str, address: &str) {
    let address = format!("{address}/32");
    let outer = format!("to-{name}");
    let inner = |arguments: &[&str]| ip(&[&["-netns", name], arguments].concat());
    ip(&["netns", "add", name]);
    ip(&["link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", name]);
    ip(&["link", "set", &outer, "up"]);
    inner(&["link", "set", "lo", "up"]);
    inner(&["addr", "add", &address, "dev", "eth0"]);
    inner(&["link", "set", "eth0", "up"]);
    inner(&["route", "add", "default", "dev", "eth0"]);
    ip(&["route", "add", &address, "dev", &outer]);
}

/// Checks whether a GET request returns status 200.
async fn returns_ok(address: SocketAddr, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut response = String::new();
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_to_string(&mut response).await.is_ok()
        && response.starts_with("HTTP/1.1 200 ")
}

/// Returns parameters that delete a Pod without a grace period.
fn immediately() -> DeleteParams {
    DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status();
    assert!(status.expect("sh").success());
}
