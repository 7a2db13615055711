//! A balancer of connections: it plays the cluster's, which sends each new connection to a replica that it believes
//! to be ready, and learns late that one isn't.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::server::read_answer;

/// So late it learns what is ready.
const LATE: Duration = Duration::from_millis(200);

struct Replica {
    address: SocketAddr,
    admin: SocketAddr,
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
        let known = Arc::clone(&replicas);
        thread::spawn(move || {
            for (turn, client) in listener.incoming().map_while(Result::ok).enumerate() {
                let ready: Vec<_> = {
                    let known = known.lock().expect("a lock");
                    known.iter().filter(|replica| replica.is_ready).map(|replica| replica.address).collect()
                };
                // Where nothing is ready, or what was is gone, the connection is refused: it is dropped here.
                let Some(address) = ready.get(turn % ready.len().max(1)) else { continue };
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
        let known = Arc::clone(&replicas);
        thread::spawn(move || {
            loop {
                thread::sleep(LATE);
                let all: Vec<_> = {
                    let known = known.lock().expect("a lock");
                    known.iter().map(|replica| (replica.address, replica.admin)).collect()
                };
                for (address, admin) in all {
                    let is_ready = is_ready(admin);
                    let mut known = known.lock().expect("a lock");
                    if let Some(replica) = known.iter_mut().find(|replica| replica.address == address) {
                        replica.is_ready = is_ready;
                    }
                }
            }
        });
        Self { address, replicas }
    }

    pub fn add(&self, address: SocketAddr, admin: SocketAddr) {
        self.replicas.lock().expect("a lock").push(Replica { address, admin, is_ready: false });
    }

    pub fn remove(&self, address: SocketAddr) {
        self.replicas.lock().expect("a lock").retain(|replica| replica.address != address);
    }

    pub fn wait_for_ready(&self, count: usize) {
        while self.replicas.lock().expect("a lock").iter().filter(|replica| replica.is_ready).count() < count
        {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin) else { return false };
    let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    asked.is_ok() && read_answer(&mut io::BufReader::new(stream)).is_ok_and(|answer| answer.status == 200)
}
