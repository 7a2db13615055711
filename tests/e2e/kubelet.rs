//! Plays the scheduler and the kubelet of one node: each Pod gets an address of its own, its volumes as files that are
//! swapped by links when they change, and a process whose root is the image: empty but for the program.

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

/// Files of a volume: the path below its mount, and what stands in it.
type Files = BTreeMap<String, Vec<u8>>;

struct Running {
    name: String,
    pod: Pod,
    child: Child,
    root: PathBuf,
    address: IpAddr,
    volumes: HashMap<String, Files>,
    is_ready: bool,
    probed: Option<Instant>,
    /// Since when it has been ending.
    ending: Option<Instant>,
}

pub struct Kubelet {
    client: Client,
    namespace: String,
    /// The Pods' roots and logs.
    folder: PathBuf,
    running: BTreeMap<String, Running>,
    started: u8,
}

impl Kubelet {
    pub async fn new(client: Client, namespace: &str, folder: PathBuf) -> Self {
        let nodes: Api<Node> = Api::all(client.clone());
        let node = json!({"metadata": {"name": "node"}});
        let node = serde_json::from_value(node).expect("a node");
        nodes.create(&PostParams::default(), &node).await.expect("a node");
        Self { client, namespace: namespace.to_owned(), folder, running: BTreeMap::new(), started: 0 }
    }

    /// Serves its Pods, for ever.
    pub async fn run(mut self) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        loop {
            time::sleep(Duration::from_millis(100)).await;
            let Ok(list) = pods.list(&ListParams::default()).await else { continue };
            for pod in &list {
                self.sync(&pods, pod).await;
            }
            for running in self.running.values_mut() {
                running.look_after(&self.client, &self.namespace, &pods).await;
            }
            self.running.retain(|_, running| !running.is_over());
        }
    }

    async fn sync(&mut self, pods: &Api<Pod>, pod: &Pod) {
        let (name, uid) = (pod.name_any(), pod.uid().expect("a uid"));
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if let Some("Succeeded" | "Failed") = phase {
            // It doesn't run again, and goes by itself when it is deleted.
            return;
        }
        let is_ending = pod.metadata.deletion_timestamp.is_some();
        if let Some(running) = self.running.get_mut(&uid) {
            if is_ending && running.ending.is_none() {
                running.ending = Some(Instant::now());
                signal(&running.child, "TERM");
            }
            return;
        }
        let spec = pod.spec.as_ref().expect("a spec");
        if is_ending {
            // It never ran here.
            let _ = pods
                .delete(&name, &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() })
                .await;
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

    /// Starts a Pod; none while something that it mounts isn't there.
    async fn start(&mut self, pod: &Pod) -> Option<Running> {
        let spec = pod.spec.as_ref()?;
        let mut volumes = HashMap::new();
        for volume in spec.volumes.iter().flatten() {
            volumes
                .insert(volume.name.clone(), files(&self.client, &self.namespace, pod, volume, None).await?);
        }
        let name = pod.name_any();
        self.started += 1;
        let address = format!("10.1.0.{}", self.started);
        let net = format!("pod{}", self.started);
        network(&net, &address);
        let root = self.folder.join(&name);
        fs::create_dir_all(&root).expect("a root");
        let program = std::env::var_os("VOLCHECK").expect("tests/e2e/run.sh");
        fs::copy(program, root.join("volcheck")).expect("the program");
        let log = File::create(self.folder.join(format!("{name}.log"))).expect("a log");
        publish_all(&root, pod, &volumes);
        let container = &spec.containers[0];
        let security = spec.security_context.clone().unwrap_or_default();
        // Where nothing says a group, it is the image's, which knows no users.
        let (user, group) = (security.run_as_user.expect("a user"), security.run_as_group.unwrap_or(0));
        let identity = format!("--userspec={user}:{group}");
        let child = Command::new("ip")
            .args(["netns", "exec", &net, "chroot", &identity])
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
        Some(Running {
            name,
            pod: pod.clone(),
            child,
            root,
            address: address.parse().expect("an address"),
            volumes,
            is_ready: false,
            probed: None,
            ending: None,
        })
    }
}

impl Running {
    fn is_over(&self) -> bool {
        self.pod.spec.is_none()
    }

    async fn look_after(&mut self, client: &Client, namespace: &str, pods: &Api<Pod>) {
        let spec = self.pod.spec.as_ref().expect("a spec");
        let grace = u64::try_from(spec.termination_grace_period_seconds.unwrap_or(30)).expect("a time");
        let exited = self.child.try_wait().expect("a process");
        if self.ending.is_some_and(|since| since.elapsed() > Duration::from_secs(grace)) && exited.is_none() {
            self.child.kill().expect("killed");
        }
        if let Some(status) = exited {
            let is_gone = match self.ending {
                None => self.end(status.success(), pods).await,
                Some(_) => {
                    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
                    let _ = pods.delete(&self.name, &now).await;
                    true
                }
            };
            if is_gone {
                self.pod.spec = None;
            }
            return;
        }
        self.probe(pods).await;
        self.refresh(client, namespace).await;
    }

    /// Says how it ended by itself; whether that is known now.
    async fn end(&self, is_success: bool, pods: &Api<Pod>) -> bool {
        let spec = self.pod.spec.as_ref().expect("a spec");
        // A Pod that crashes is a mistake that a test must see.
        let is_once = spec.restart_policy.as_deref() == Some("Never");
        assert!(is_once, "{} ended by itself: {}", self.name, log(&self.root));
        let phase = if is_success { "Succeeded" } else { "Failed" };
        let phase = Patch::Merge(json!({"status": {"phase": phase}}));
        pods.patch_status(&self.name, &PatchParams::default(), &phase).await.is_ok()
    }

    async fn probe(&mut self, pods: &Api<Pod>) {
        let spec = self.pod.spec.as_ref().expect("a spec");
        let Some(probe) = &spec.containers[0].readiness_probe else { return };
        let period = Duration::from_secs(u64::try_from(probe.period_seconds.unwrap_or(10)).expect("a time"));
        if self.probed.is_some_and(|at| at.elapsed() < period) {
            return;
        }
        let path = probe.http_get.as_ref().and_then(|get| get.path.as_deref()).expect("a path");
        let is_ready =
            time::timeout(Duration::from_secs(1), answers(SocketAddr::new(self.address, 8081), path))
                .await
                .unwrap_or(false);
        if self.probed.is_some() && is_ready == self.is_ready {
            self.probed = Some(Instant::now());
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
            (self.is_ready, self.probed) = (is_ready, Some(Instant::now()));
        }
    }

    /// Swaps the volumes that have changed.
    async fn refresh(&mut self, client: &Client, namespace: &str) {
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

/// What the process of the Pod with this root wrote.
pub fn log(root: &Path) -> String {
    fs::read_to_string(root.with_extension("log")).unwrap_or_default()
}

/// What is in a volume; none while it isn't there.
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
                None => token_of(client, namespace, pod).await?.into_bytes(),
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

async fn token_of(client: &Client, namespace: &str, pod: &Pod) -> Option<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account = pod.spec.as_ref()?.service_account_name.clone()?;
    let spec = TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let answer = accounts.create_token_request(&account, &PostParams::default(), &request).await.ok()?;
    Some(answer.status?.token)
}

/// Puts the files of all volumes to where they are mounted.
fn publish_all(root: &Path, pod: &Pod, volumes: &HashMap<String, Files>) {
    let spec = pod.spec.as_ref().expect("a spec");
    let group = spec.security_context.as_ref().and_then(|security| security.fs_group);
    let group = group.map(|group| u32::try_from(group).expect("a group"));
    for mount in spec.containers[0].volume_mounts.iter().flatten() {
        let folder = root.join(mount.mount_path.trim_start_matches('/'));
        fs::create_dir_all(&folder).expect("a folder");
        publish(&folder, &volumes[&mount.name], group);
    }
}

/// As `k8s.io/kubernetes/pkg/volume/util/atomic_writer.go` does: files are links to those below `..data`, a link that is
/// replaced by another.
fn publish(folder: &Path, files: &Files, group: Option<u32>) {
    let old = fs::read_link(folder.join("..data")).ok();
    let turn =
        old.as_ref().and_then(|old| old.to_str()?.strip_prefix("..")?.parse::<u32>().ok()).unwrap_or(0);
    let new = format!("..{}", turn + 1);
    fs::create_dir_all(folder.join(&new)).expect("a folder");
    for (name, bytes) in files {
        let path = folder.join(&new).join(name);
        fs::write(&path, bytes).expect("written");
        // Without a group of the Pod's, everybody may read.
        let mode = if group.is_some() { 0o440 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
        chown(&path, None, group).expect("an owner");
        let link = folder.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(name), link).expect("a link");
        }
    }
    let next = folder.join("..data_tmp");
    symlink(&new, &next).expect("a link");
    fs::rename(next, folder.join("..data")).expect("swapped");
    if let Some(old) = old {
        fs::remove_dir_all(folder.join(old)).expect("removed");
    }
}

/// A network of the Pod's own, with a way to it and from it.
fn network(net: &str, address: &str) {
    let address = format!("{address}/32");
    let outer = format!("to-{net}");
    let inner = |arguments: &[&str]| ip(&[&["-netns", net], arguments].concat());
    ip(&["netns", "add", net]);
    ip(&["link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", net]);
    ip(&["link", "set", &outer, "up"]);
    inner(&["link", "set", "lo", "up"]);
    inner(&["addr", "add", &address, "dev", "eth0"]);
    inner(&["link", "set", "eth0", "up"]);
    inner(&["route", "add", "default", "dev", "eth0"]);
    ip(&["route", "add", &address, "dev", &outer]);
}

/// Whether a GET is answered with 200.
async fn answers(address: SocketAddr, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_to_string(&mut answer).await.is_ok()
        && answer.starts_with("HTTP/1.1 200 ")
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status();
    assert!(status.expect("sh").success());
}
