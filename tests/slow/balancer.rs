//! A TCP load balancer that behaves like a Kubernetes Service. It forwards each new connection to a
//! replica that it considers ready, and notices readiness changes with a delay.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::webhook_server::{WebhookServer, read_response};

/// The time between two readiness probes of all replicas.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);

struct Replica {
    address: SocketAddr,
    admin_address: SocketAddr,
    is_ready: bool,
}

pub struct Balancer {
    pub address: SocketAddr,
    replicas: Arc<Mutex<Vec<Replica>>>,
}

impl Balancer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let replicas = Arc::new(Mutex::new(Vec::<Replica>::new()));
        let shared = Arc::clone(&replicas);
        thread::spawn(move || {
            for (index, client) in listener.incoming().map_while(Result::ok).enumerate() {
                let ready: Vec<_> = {
                    let replicas = shared.lock().expect("a lock");
                    let ready = replicas.iter().filter(|replica| replica.is_ready);
                    ready.map(|replica| replica.address).collect()
                };
                // If no replica is reachable, the connection is dropped.
                let Some(address) = ready.get(index % ready.len().max(1)) else { continue };
                let Ok(server) = TcpStream::connect(address) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                for (mut from, mut to) in [
                    (client.try_clone().expect("a copy"), server.try_clone().expect("a copy")),
                    (server, client),
                ] {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        let shared = Arc::clone(&replicas);
        thread::spawn(move || {
            loop {
                thread::sleep(PROBE_INTERVAL);
                let addresses: Vec<_> = {
                    let replicas = shared.lock().expect("a lock");
                    replicas.iter().map(|replica| (replica.address, replica.admin_address)).collect()
                };
                for (address, admin_address) in addresses {
                    let is_ready = is_ready(admin_address);
                    let mut replicas = shared.lock().expect("a lock");
                    if let Some(replica) = replicas.iter_mut().find(|replica| replica.address == address) {
                        replica.is_ready = is_ready;
                    }
                }
            }
        });
        Self { address, replicas }
    }

    pub fn add(&self, server: &WebhookServer) {
        let (address, admin_address) = (server.address, server.admin_address);
        self.replicas.lock().expect("a lock").push(Replica { address, admin_address, is_ready: false });
    }

    pub fn remove(&self, server: &WebhookServer) {
        self.replicas.lock().expect("a lock").retain(|replica| replica.address != server.address);
    }

    /// Waits until at least `count` replicas are ready.
    pub fn wait_for_ready(&self, count: usize) {
        while self.replicas.lock().expect("a lock").iter().filter(|replica| replica.is_ready).count() < count
        {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn is_ready(admin_address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin_address) else { return false };
    let sent = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    sent.is_ok()
        && read_response(&mut io::BufReader::new(stream)).is_ok_and(|response| response.status == 200)
}
