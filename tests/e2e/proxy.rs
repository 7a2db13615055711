//! A simulated kube-proxy. It forwards connections from the cluster IP of a Service to its ready
//! endpoints, and notices changed endpoints with a delay.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time;

use crate::control_plane::ip;

/// The time between two reads of Services and EndpointSlices.
const SYNC_PERIOD: Duration = Duration::from_millis(200);

/// The endpoints to which connections to one port of a Service are forwarded.
type Targets = Arc<Mutex<Vec<SocketAddr>>>;

/// Forwards connections to the Services of this namespace. Never returns.
pub async fn run(client: Client, namespace: &str) {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let slices: Api<EndpointSlice> = Api::namespaced(client, namespace);
    let mut known: HashMap<(String, String, u16), Targets> = HashMap::new();
    loop {
        time::sleep(SYNC_PERIOD).await;
        let (Ok(services), Ok(slices)) =
            (services.list(&ListParams::default()).await, slices.list(&ListParams::default()).await)
        else {
            continue;
        };
        for service in services {
            let Some(spec) = &service.spec else { continue };
            let Some(address) = &spec.cluster_ip else { continue };
            for port in spec.ports.iter().flatten() {
                let number = u16::try_from(port.port).expect("a port");
                let key = (service.name_any(), address.clone(), number);
                let targets = known.entry(key).or_insert_with(|| listen(address, number));
                *targets.lock().expect("a lock") =
                    endpoints(&slices.items, &service.name_any(), port.name.as_deref());
            }
        }
    }
}

/// Returns the ready endpoints. If there are none, returns the terminating endpoints that are still
/// serving.
fn endpoints(slices: &[EndpointSlice], service: &str, port: Option<&str>) -> Vec<SocketAddr> {
    let (mut ready, mut terminating) = (Vec::new(), Vec::new());
    for slice in slices {
        if slice.labels().get("kubernetes.io/service-name").is_none_or(|name| name != service) {
            continue;
        }
        let number = slice.ports.iter().flatten().find(|one| one.name.as_deref() == port);
        let Some(number) = number.and_then(|one| one.port).and_then(|port| u16::try_from(port).ok()) else {
            continue;
        };
        for endpoint in &slice.endpoints {
            let Some(conditions) = &endpoint.conditions else { continue };
            let address = endpoint.addresses[0].parse::<IpAddr>().expect("an address");
            if conditions.ready == Some(true) {
                ready.push(SocketAddr::new(address, number));
            } else if conditions.serving == Some(true) {
                terminating.push(SocketAddr::new(address, number));
            }
        }
    }
    if ready.is_empty() { terminating } else { ready }
}

fn listen(address: &str, port: u16) -> Targets {
    // `replace` instead of `add`, because all ports of a Service share the address.
    ip(&["addr", "replace", &format!("{address}/32"), "dev", "lo"]);
    let targets = Targets::default();
    let (known, address) = (Arc::clone(&targets), format!("{address}:{port}"));
    tokio::spawn(async move {
        let listener = TcpListener::bind(&address).await.expect("the cluster IP");
        let count = AtomicUsize::new(0);
        while let Ok((mut client, _)) = listener.accept().await {
            let target = {
                let known = known.lock().expect("a lock");
                let count = count.fetch_add(1, Ordering::Relaxed);
                known.get(count % known.len().max(1)).copied()
            };
            tokio::spawn(async move {
                // If there is no endpoint, the connection is dropped.
                let Some(target) = target else { return };
                let Ok(mut server) = TcpStream::connect(target).await else { return };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    targets
}
