// SPDX-License-Identifier: Apache-2.0
//! Caches that are servers, each started for itself on a Unix socket in a folder of its own, and stopped at the end.

use crate::caches::Cache;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TTL: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a peer can be run as far as programs are needed for it.
pub fn is_installed(peer: &str) -> bool {
    let program = match peer {
        "memcached" => "memcached",
        "Redis" => "redis-server",
        _ => return true,
    };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

struct Server {
    child: Child,
    socket: PathBuf,
    _folder: TempDir,
}

impl Server {
    /// Starts a program that is told its socket by the last of its arguments, and waits until it listens.
    fn start(program: &str, arguments: &[String], socket_option: &str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let child = Command::new(program)
            .args(arguments)
            .arg(socket_option)
            .arg(&socket)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(begin.elapsed() < PATIENCE, "{program} does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Server { child, socket, _folder: folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---- Redis ----

struct Redis {
    server: Server,
    client: redis::Client,
}

thread_local! {
    static TO_REDIS: RefCell<HashMap<PathBuf, redis::Connection>> = RefCell::new(HashMap::new());
    static TO_MEMCACHED: RefCell<HashMap<PathBuf, memcache::Client>> = RefCell::new(HashMap::new());
}

impl Redis {
    /// The calling thread's connection.
    fn with<T>(&self, work: impl FnOnce(&mut redis::Connection) -> T) -> T {
        TO_REDIS.with_borrow_mut(|all| {
            let make = || self.client.get_connection().unwrap();
            work(all.entry(self.server.socket.clone()).or_insert_with(make))
        })
    }
}

impl Cache for Redis {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> bool {
        let value: Option<Vec<u8>> = self.with(|connection| redis::cmd("GET").arg(key).query(connection).unwrap());
        let Some(value) = value else { return false };
        *out = value;
        true
    }
    fn set(&self, key: &[u8], value: &[u8]) {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("EX").arg(TTL.as_secs());
        self.with(|connection| command.exec(connection).unwrap());
    }
}

pub fn open_redis(bytes: u64, _entries: u64) -> Box<dyn Cache> {
    let settings = ["--port", "0", "--save", "", "--appendonly", "no", "--maxmemory-policy", "allkeys-lru"];
    let mut arguments: Vec<String> = settings.map(String::from).into();
    arguments.extend(["--maxmemory".into(), bytes.to_string()]);
    let server = Server::start("redis-server", &arguments, "--unixsocket");
    let client = redis::Client::open(format!("unix://{}", server.socket.display())).unwrap();
    Box::new(Redis { server, client })
}

// ---- memcached ----

struct Memcached(Server);

impl Memcached {
    fn with<T>(&self, work: impl FnOnce(&memcache::Client) -> T) -> T {
        TO_MEMCACHED.with_borrow_mut(|all| {
            let make = || memcache::connect(format!("memcache://{}", self.0.socket.display())).unwrap();
            work(all.entry(self.0.socket.clone()).or_insert_with(make))
        })
    }
}

fn text(key: &[u8]) -> &str {
    std::str::from_utf8(key).unwrap()
}

impl Cache for Memcached {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> bool {
        let value: Option<Vec<u8>> = self.with(|client| client.get(text(key)).unwrap());
        let Some(value) = value else { return false };
        *out = value;
        true
    }
    fn set(&self, key: &[u8], value: &[u8]) {
        self.with(|client| client.set(text(key), value, TTL.as_secs() as u32).unwrap());
    }
}

pub fn open_memcached(bytes: u64, _entries: u64) -> Box<dyn Cache> {
    let arguments = ["-t", "2", "-u", "root", "-m", &(bytes >> 20).to_string()].map(String::from);
    Box::new(Memcached(Server::start("memcached", &arguments, "-s")))
}
