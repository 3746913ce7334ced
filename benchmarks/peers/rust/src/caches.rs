// SPDX-License-Identifier: Apache-2.0
//! The caches that are compared, each configured as its documentation says is best for a byte limit and a TTL.

use crate::memstore::Store;
use crate::servers::{open_memcached, open_redis};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, WithoutTls};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// A cache of bytes.
pub trait Cache: Send + Sync {
    /// Copies a value into the buffer. False when there is none.
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> bool;
    /// Stores a value.
    fn set(&self, key: &[u8], value: &[u8]);
}

/// A cache to be opened for so many bytes of keys and values, and so many entries.
pub struct Peer {
    pub name: &'static str,
    pub described: &'static str,
    /// None for the one that is measured by another program: see peers/java.
    pub open: Option<fn(u64, u64) -> Box<dyn Cache>>,
}

/// The one that is measured by another program.
pub const CAFFEINE: &str = "Caffeine";

pub const PEERS: &[Peer] = &[
    Peer { name: "memstore", described: "C ABI, a TTL of an hour, copied out", open: Some(open_memstore) },
    Peer { name: "quick_cache", described: "Box<[u8]> to Arc<[u8]>, weighed by bytes, no TTL", open: Some(open_quick) },
    Peer { name: "quick inline", described: "keys and values in the table, 20 and 100 bytes alone, no TTL", open: Some(open_inline) },
    Peer { name: "moka", described: "Box<[u8]> to Arc<[u8]>, weighed by bytes, a TTL of an hour", open: Some(open_moka) },
    Peer { name: CAFFEINE, described: "byte[] weighed by bytes, a TTL of an hour; memory is what lives on the heap", open: None },
    Peer { name: "HashMap", described: "with a RwLock; no bound, no TTL", open: Some(open_map) },
    Peer { name: "LMDB", described: "on tmpfs without syncs, a transaction a call; no bound, no TTL", open: Some(open_lmdb) },
    Peer { name: "memcached", described: "a server of two threads on a Unix socket, a connection a thread, a TTL of an hour", open: Some(open_memcached) },
    Peer { name: "Redis", described: "a server on a Unix socket, a connection a thread, allkeys-lru, a TTL of an hour", open: Some(open_redis) },
];

// ---- memstore ----

impl Cache for Store {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> bool {
        Store::get(self, key, out)
    }
    fn set(&self, key: &[u8], value: &[u8]) {
        Store::set(self, key, value)
    }
}

fn open_memstore(bytes: u64, _entries: u64) -> Box<dyn Cache> {
    Box::new(Store::open(&[("performance.memory_limit", bytes.to_string())]))
}

fn copy_out(value: Option<impl AsRef<[u8]>>, out: &mut Vec<u8>) -> bool {
    let Some(value) = value else { return false };
    out.clear();
    out.extend_from_slice(value.as_ref());
    true
}

// ---- quick_cache ----

#[derive(Clone)]
struct ByBytes;

impl quick_cache::Weighter<Box<[u8]>, Arc<[u8]>> for ByBytes {
    fn weight(&self, key: &Box<[u8]>, value: &Arc<[u8]>) -> u64 {
        (key.len() + value.len()) as u64
    }
}

struct Quick(quick_cache::sync::Cache<Box<[u8]>, Arc<[u8]>, ByBytes>);

impl Cache for Quick {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> bool {
        copy_out(self.0.get(key), out)
    }
    fn set(&self, key: &[u8], value: &[u8]) {
        self.0.insert(key.into(), value.into());
    }
}

fn open_quick(bytes: u64, entries: u64) -> Box<dyn Cache> {
    Box::new(Quick(quick_cache::sync::Cache::with_weighter(entries as usize, bytes, ByBytes)))
}

struct Inline(quick_cache::sync::Cache<[u8; 20], [u8; 100]>);

impl Cache for Inline {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> bool {
        copy_out(self.0.get::<[u8; 20]>(key.try_into().unwrap()), out)
    }
    fn set(&self, key: &[u8], value: &[u8]) {
        self.0.insert(key.try_into().unwrap(), value.try_into().expect("values of 100 bytes alone"));
    }
}

fn open_inline(_bytes: u64, entries: u64) -> Box<dyn Cache> {
    Box::new(Inline(quick_cache::sync::Cache::new(entries as usize)))
}

// ---- moka ----

struct Moka(moka::sync::Cache<Box<[u8]>, Arc<[u8]>>);

impl Cache for Moka {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> bool {
        copy_out(self.0.get(key), out)
    }
    fn set(&self, key: &[u8], value: &[u8]) {
        self.0.insert(key.into(), value.into());
    }
}

fn open_moka(bytes: u64, entries: u64) -> Box<dyn Cache> {
    Box::new(Moka(
        moka::sync::Cache::builder()
            .initial_capacity(entries as usize)
            .max_capacity(bytes)
            .weigher(|key: &Box<[u8]>, value: &Arc<[u8]>| (key.len() + value.len()) as u32)
            .time_to_live(Duration::from_secs(3600))
            .build(),
    ))
}

// ---- HashMap ----

struct Map(RwLock<HashMap<Box<[u8]>, Box<[u8]>>>);

impl Cache for Map {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> bool {
        copy_out(self.0.read().unwrap().get(key), out)
    }
    fn set(&self, key: &[u8], value: &[u8]) {
        self.0.write().unwrap().insert(key.into(), value.into());
    }
}

fn open_map(_bytes: u64, entries: u64) -> Box<dyn Cache> {
    Box::new(Map(RwLock::new(HashMap::with_capacity(entries as usize))))
}

// ---- LMDB ----

struct Lmdb {
    env: Env<WithoutTls>,
    database: Database<Bytes, Bytes>,
    _folder: tempfile::TempDir,
}

impl Cache for Lmdb {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> bool {
        let transaction = self.env.read_txn().unwrap();
        copy_out(self.database.get(&transaction, key).unwrap(), out)
    }
    fn set(&self, key: &[u8], value: &[u8]) {
        let mut transaction = self.env.write_txn().unwrap();
        self.database.put(&mut transaction, key, value).unwrap();
        transaction.commit().unwrap();
    }
}

fn open_lmdb(bytes: u64, _entries: u64) -> Box<dyn Cache> {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    // SAFETY: nobody else opens the files of this folder.
    let env = unsafe {
        EnvOpenOptions::new()
            .read_txn_without_tls()
            // It has no bound of its own: room for all that the workloads write.
            .map_size((bytes as usize * 16).next_multiple_of(1 << 20))
            .flags(EnvFlags::NO_SYNC | EnvFlags::WRITE_MAP | EnvFlags::NO_READ_AHEAD)
            .open(folder.path())
            .unwrap()
    };
    let mut transaction = env.write_txn().unwrap();
    let database = env.create_database(&mut transaction, None).unwrap();
    transaction.commit().unwrap();
    Box::new(Lmdb { env, database, _folder: folder })
}
