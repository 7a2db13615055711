//! The steps in `docs/cluster.md` and `docs/from-warn-to-deny.md`, from the installation in warn
//! mode to mode `deny` in all namespaces, in a cluster with node agents of the corpus.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::control_plane::wait_for;
use crate::harness::{Completed, Harness, harness, root};
use crate::monitoring::create_crds;
use crate::page::Page;

/// The manifests of the agents in the corpus.
const AGENTS: [&str; 7] = [
    "prometheus-operator__kube-prometheus/manifests/nodeExporter-serviceAccount.yaml",
    "prometheus-operator__kube-prometheus/manifests/nodeExporter-daemonset.yaml",
    "longhorn__longhorn/deploy/longhorn.yaml",
    "rancher__local-path-provisioner/deploy/local-path-storage.yaml",
    "fluent__fluentd-kubernetes-daemonset/fluentd-daemonset-elasticsearch-rbac.yaml",
    "kubernetes-sigs__secrets-store-csi-driver/deploy/rbac-secretproviderclass.yaml",
    "kubernetes-sigs__secrets-store-csi-driver/deploy/secrets-store-csi-driver.yaml",
];

/// The namespaces and names of the DaemonSets in these manifests.
const DAEMON_SETS: [(&str, &str); 4] = [
    ("monitoring", "node-exporter"),
    ("longhorn-system", "longhorn-manager"),
    ("kube-system", "fluentd"),
    ("kube-system", "csi-secrets-store"),
];

/// The workload that the documentation exempts, with the finding.
const CART: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec:
      containers:
      - name: cart
        image: registry.example/cart:2
        volumeMounts: [{name: data, mountPath: /srv/cart}]
      volumes:
      - name: data
        hostPath: {path: /srv/cart, type: Directory}
";

/// A new user with a working directory.
struct Walk<'a> {
    harness: &'a Harness,
    directory: TempDir,
    install: Page,
    enforce: Page,
}

impl<'a> Walk<'a> {
    fn new(harness: &'a Harness) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["charts", "examples"] {
            symlink(root().join(name), directory.path().join(name)).expect("a link");
        }
        let page = |name: &str| Page::read(name, directory.path());
        let (install, enforce) = (page("docs/cluster.md"), page("docs/from-warn-to-deny.md"));
        Self { harness, directory, install, enforce }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, command: &str) -> Completed {
        self.harness.shell_in(self.directory.path(), command)
    }

    /// Writes the policy file, and upgrades the release with it and with these values.
    fn apply(&self, values: &str, policy: &str) {
        fs::write(self.path("values.yaml"), values).expect("written");
        fs::write(self.path("volcheck.yaml"), policy).expect("written");
        self.run(self.enforce.block("volcheck policy check")).ok();
        self.run(self.enforce.block("helm upgrade")).ok();
    }

    /// Runs the documented dry run in a namespace.
    fn try_socket(&self, namespace: &str) -> Completed {
        let command = self.enforce.block("examples/cluster/socket.yaml");
        self.run(&command.replace("-n shop", &format!("-n {namespace}")))
    }

    #[track_caller]
    fn wait_for_denial(&self, namespace: &str) {
        let error = wait_for("a denial", || {
            Some(self.try_socket(namespace)).filter(|done| !done.is_success).map(|done| done.stderr)
        });
        assert!(error.contains("denied the request: volcheck: 1 problem in Pod"), "{error}");
    }

    #[track_caller]
    fn assert_warning(&self, namespace: &str) {
        let done = self.try_socket(namespace);
        assert!(done.is_success, "{done:?}");
        let expected = format!("Warning: volcheck: Pod {namespace}/socket: [runtime-socket] ");
        assert!(done.stderr.starts_with(&expected), "{done:?}");
    }
}

/// Returns the uids of the Pods of an owner.
fn pods(harness: &Harness, namespace: &str, owner: &str) -> Vec<String> {
    let path = "jsonpath={range .items[*]}{.metadata.uid} {.metadata.ownerReferences[0].name}{\"\\n\"}{end}";
    let text = harness.kubectl(&["get", "pods", "-n", namespace, "-o", path]).ok();
    let lines = text.lines().filter_map(|line| line.strip_suffix(&format!(" {owner}")));
    lines.map(str::to_owned).collect()
}

fn start_agents(harness: &Harness, shared: &Path) {
    harness.kubectl(&["label", "node", "node", "kubernetes.io/os=linux"]).ok();
    harness.kubectl(&["taint", "node", "node", "node.kubernetes.io/not-ready-"]).ok();
    harness.kubectl(&["create", "namespace", "monitoring"]).ok();
    for agent in AGENTS {
        let path = shared.join("corpus/manifests").join(agent);
        harness.kubectl(&["apply", "--server-side", "-f", &path.display().to_string()]).ok();
    }
    for (namespace, name) in DAEMON_SETS {
        wait_for("the Pod of an agent", || (pods(harness, namespace, name).len() == 1).then_some(()));
    }
}

#[test]
fn documented_steps_lead_from_warn_to_deny() {
    let Some(shared) = std::env::var_os("VOLCHECK_SHARED") else {
        eprintln!("SKIPPED: VOLCHECK_SHARED is not set to the directory of the corpus with the manifests");
        return;
    };
    let harness = harness();
    harness.uninstall();
    harness.install_program();
    create_crds(&harness);
    // Other tests have left objects with errors, and Events about them.
    let all = "deployments,statefulsets,daemonsets,replicasets,jobs,cronjobs,pods,pvc,pv,events";
    harness.kubectl(&["delete", all, "--all", "-n", "shop", "--force", "--grace-period=0"]).ok();
    start_agents(&harness, Path::new(&shared));
    harness.kubectl_with("admin", &["apply", "-f", "-"], CART).ok();
    harness.kubectl(&["apply", "-n", "shop", "-f", "examples/cluster/web.yaml"]).ok();
    let walk = Walk::new(&harness);
    let (install, enforce) = (&walk.install, &walk.enforce);

    // Install in warn mode.
    walk.run(install.block("volcheck init -")).ok();
    walk.run(install.block("sed -i")).ok();
    let policy = fs::read_to_string(walk.path("volcheck.yaml")).expect("the policy");
    for agent in ["node-exporter", "longhorn-manager", "fluentd", "secrets-store-csi"] {
        assert!(policy.contains(&format!("- node-agents/upstream/{agent}\n")), "{agent}: {policy}");
    }
    let values = format!("{}{}", install.block("# values.yaml\nimage"), enforce.block("serviceMonitor"));
    fs::write(walk.path("values.yaml"), &values).expect("written");
    walk.run(install.block("> policy.yaml")).ok();
    walk.run(install.block("helm upgrade --install")).ok();
    let done = walk.run(install.block("examples/cluster/socket.yaml"));
    assert!(done.is_success, "{done:?}");
    assert!(done.stderr.starts_with("Warning: volcheck: Pod default/socket: [runtime-socket] "), "{done:?}");
    walk.assert_warning("shop");
    let report = walk.run(install.block("--statistics"));
    assert!(!report.is_success, "{report:?}");
    for rule in ["runtime-socket", "writable-host-path"] {
        assert!(report.stdout.contains(rule), "{report:?}");
    }

    // Find, fix and exempt.
    harness.kubectl(&["rollout", "restart", "deployment", "cart", "-n", "shop"]).ok();
    wait_for("the Event", || {
        let events = walk.run(enforce.block("reason=WouldBeDenied")).ok();
        events.contains("writable-host-path").then_some(())
    });
    harness.kubectl(&["delete", "deployment", "web", "-n", "shop"]).ok();
    let exempted = format!("{policy}{}", enforce.block("- rules: [writable-host-path]"));
    walk.apply(&values, &exempted);
    wait_for("the end of the Pods of web", || {
        walk.run(enforce.block("kubectl get deployments,statefulsets")).is_success.then_some(())
    });

    let verdicts = walk.run(enforce.block("--as-admission")).stdout;
    assert!(verdicts.contains("\nThe webhook would deny "), "{verdicts}");

    // Deny in one namespace.
    let one = format!("{exempted}{}", enforce.block("modes: { shop: deny"));
    walk.apply(&values, &one);
    walk.wait_for_denial("shop");
    walk.assert_warning("default");
    walk.run(&enforce.block("kubectl label namespace shop").replace("shop", "relaxed")).ok();
    walk.wait_for_denial("relaxed");
    walk.run("kubectl label namespace relaxed volcheck.io/mode-").ok();
    harness.kubectl(&["rollout", "restart", "deployment", "cart", "-n", "shop"]).ok();

    // Deny in all namespaces.
    for namespace in ["legacy", "calico-system"] {
        harness.kubectl(&["create", "namespace", namespace]).ok();
    }
    for command in ["kubectl get deployments,statefulsets", "kubectl get pv "] {
        walk.run(enforce.block(command)).ok();
    }
    // Other namespaces contain objects of other tests.
    let command =
        enforce.block("kubectl get pods,pv,pvc -A").replace("--no-ignores", "--no-ignores --format concise");
    let report = walk.run(&command).stdout;
    for namespace in ["shop", "monitoring", "longhorn-system", "local-path-storage", "kube-system"] {
        let namespace = format!(" {namespace}/");
        let is_error = |line: &str| line.contains(": error[") && line.contains(&namespace);
        assert!(!report.lines().any(is_error), "{report}");
    }
    let values = format!(
        "{}{}",
        values.replace("mode: warn\n", enforce.block("mode: deny")),
        enforce.block("excludedNamespaces")
    );
    let all = format!("{exempted}{}", enforce.block("modes: { legacy: warn"));
    walk.apply(&values, &all);
    walk.wait_for_denial("default");
    walk.assert_warning("legacy");
    assert_eq!(walk.try_socket("calico-system").stderr, "");
    for (namespace, name) in DAEMON_SETS {
        let before = pods(&harness, namespace, name);
        harness.kubectl(&["rollout", "restart", "daemonset", name, "-n", namespace]).ok();
        wait_for("the new Pod of an agent", || {
            let now = pods(&harness, namespace, name);
            (now.len() == 1 && now != before).then_some(())
        });
    }
    let denied = walk.run("kubectl get events -A --field-selector reason=FailedCreate").ok();
    assert!(!denied.contains("volcheck:"), "{denied}");

    // Return to warn mode, and uninstall.
    walk.run("helm rollback volcheck --namespace volcheck").ok();
    wait_for("the previous mode", || walk.try_socket("default").is_success.then_some(()));
    walk.wait_for_denial("shop");
    walk.run(install.block("helm uninstall")).ok();
    assert_eq!(walk.try_socket("shop").stderr, "");
    harness.uninstall();
}
