//! With certificates of cert-manager's: the real controllers and the real injector.

use std::process::Child;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::control_plane::{programs, start, until};
use crate::given::{certs, give, values};
use crate::issued::{self, registration};
use crate::load::{under_good_load, under_load};
use crate::world::{BAD, NAMESPACE, World, pod, world};

const VALUES: &str =
    "certs: {mode: cert-manager}\nmode: deny\ndrainTimeoutSeconds: 6\nextraArgs: [--reload-interval=0.5]\n";

/// Runs until it goes.
struct CertManager(Child);

impl CertManager {
    fn start(world: &World) -> Self {
        let kinds = programs("VOLCHECK_CERT_MANAGER").join("crds").display().to_string();
        world.kubectl(&["apply", "--server-side", "-f", &kinds]).ok();
        world.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", &kinds]).ok();
        let program = programs("VOLCHECK_CERT_MANAGER").join("cert-manager");
        Self(start(&world.plane.folder, &program, &["admin.conf"]))
    }
}

impl Drop for CertManager {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn cert_manager_s_certificates_are_served_trusted_and_renewed() {
    let world = world();
    world.uninstall();
    let _running = CertManager::start(&world);
    world.install(VALUES);
    let secrets: Api<Secret> = Api::namespaced(world.client(), NAMESPACE);
    let file = |name: &str| {
        world.block(secrets.get("volcheck-tls")).expect("the Secret").data.expect("data")[name].clone()
    };
    let trusted = || {
        let entries = registration(&world).webhooks.expect("entries");
        entries.into_iter().map(|entry| entry.client_config.ca_bundle).collect::<Vec<_>>()
    };
    let (cert, authority) = (file("tls.crt"), file("ca.crt"));
    assert_eq!(trusted(), vec![Some(authority.clone()); 4]);
    let reloads = || world.metric("volcheck_certificate_reloads_total{result=\"success\"}");
    let (asked, failures) = under_load(&world, |load| {
        load.wait_for(200);
        let before = reloads();
        // What isn't as it is asked for is issued anew.
        let patch = r#"{"spec": {"dnsNames": ["volcheck.volcheck.svc", "volcheck.volcheck"]}}"#;
        world
            .kubectl(&["patch", "certificate", "volcheck", "-n", NAMESPACE, "--type=merge", "-p", patch])
            .ok();
        until("another certificate", || (file("tls.crt") != cert).then_some(()));
        until("both replicas to serve it", || (reloads() >= before + 2.0).then_some(()));
        load.wait_for(200);
    });
    assert!(failures.is_empty(), "of {asked}: {failures:#?}");
    assert_eq!((file("ca.crt"), trusted()), (authority.clone(), vec![Some(authority); 4]));
    world.uninstall();
}

/// As `docs/cluster.md` has it: no Pod is refused for want of an answer, and in the end each is judged again.
#[test]
fn a_release_changes_where_its_certificates_come_from() {
    let world = world();
    world.uninstall();
    let _running = CertManager::start(&world);
    let made = certs(&world, "changing");
    give(&world, &format!("{made}/tls.crt"), &format!("{made}/tls.key"));
    let given = values(&format!("{made}/ca.crt"));
    let own = issued::VALUES;
    world.install(own);
    let (asked, failures) = under_good_load(&world, |_| {
        for next in [&*given, own, VALUES, own] {
            world.kubectl(&["delete", "validatingwebhookconfiguration", "volcheck"]).ok();
            world.upgrade(&format!("{next}webhook: {{failurePolicy: Ignore}}\n"));
            until("a denial", || (!world.try_out("shop", &pod("trial", BAD)).is_success).then_some(()));
            world.upgrade(next);
            until("Fail", || {
                let entry = registration(&world).webhooks?.into_iter().next()?;
                (entry.failure_policy.as_deref() == Some("Fail")).then_some(())
            });
        }
    });
    assert!(failures.is_empty(), "of {asked}: {failures:#?}");
    world.uninstall();
}
