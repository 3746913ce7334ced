// SPDX-License-Identifier: Apache-2.0
//! What is measured of one cache, in a process of its own.

use crate::caches::{Cache, Peer};
use crate::streams::{fill_value, verify, Stream, KEY_SIZE};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub type Results = BTreeMap<String, f64>;

const VALUE_SIZE: usize = 100;
/// What the caches that everything fits in are opened with.
const ROOMY: u64 = 1 << 30;

pub fn measure(peer: &Peer, workload: &str, entries: usize, operations: usize) -> Results {
    let mut out = Results::new();
    match workload {
        "speed" => speed(peer, entries, operations, &mut out),
        "new" => new_keys(peer, operations, &mut out),
        "overhead" => overhead(peer, 2 * entries, 32, "overhead 32 B", &mut out),
        "overhead-large" => overhead(peer, entries, 500, "overhead 500 B", &mut out),
        "hits" => hits(peer, 10 * operations, &mut out),
        _ => panic!("there is no workload {workload:?}"),
    }
    out
}

fn open(peer: &Peer, bytes: u64, entries: u64) -> Box<dyn Cache> {
    peer.open.expect("a cache of this program")(bytes, entries)
}

/// Nanoseconds an operation and thread, each thread having its share of the stream.
fn each(threads: usize, stream: &Stream, work: impl Fn(usize, usize) + Sync) -> f64 {
    let share = stream.len() / threads;
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            scope.spawn(move || work(thread * share, (thread + 1) * share));
        }
    });
    begin.elapsed().as_nanos() as f64 / share as f64
}

fn read(cache: &dyn Cache, stream: &Stream, from: usize, to: usize) {
    let mut buffer = Vec::with_capacity(4 * VALUE_SIZE);
    for i in from..to {
        if cache.get(stream.key(i), &mut buffer) {
            verify(&buffer, stream.numbers[i], VALUE_SIZE);
        }
    }
}

fn write(cache: &dyn Cache, stream: &Stream, size: usize, from: usize, to: usize) {
    let mut value = vec![0; size];
    for i in from..to {
        fill_value(&mut value, stream.numbers[i]);
        cache.set(stream.key(i), &value);
    }
}

/// Reads nineteen times in twenty; the latencies of one read in sixteen.
fn mix(cache: &dyn Cache, stream: &Stream, latencies: &Mutex<Vec<Duration>>, from: usize, to: usize) {
    let (mut buffer, mut value) = (Vec::with_capacity(4 * VALUE_SIZE), vec![0; VALUE_SIZE]);
    let mut mine = Vec::with_capacity((to - from) / 16);
    for i in from..to {
        if i % 20 == 0 {
            fill_value(&mut value, stream.numbers[i]);
            cache.set(stream.key(i), &value);
        } else if i % 16 == 1 {
            let begin = Instant::now();
            cache.get(stream.key(i), &mut buffer);
            mine.push(begin.elapsed());
        } else {
            cache.get(stream.key(i), &mut buffer);
        }
    }
    latencies.lock().unwrap().append(&mut mine);
}

fn speed(peer: &Peer, entries: usize, operations: usize, out: &mut Results) {
    let cache = open(peer, ROOMY, 2 * entries as u64);
    let cache = cache.as_ref();
    write(cache, &Stream::in_order(entries), VALUE_SIZE, 0, entries);
    let (flat, skewed) = (Stream::uniform(operations, entries, 1), Stream::zipf(operations, entries, 0.99, 2));
    for threads in [1, 2] {
        out.insert(format!("get uniform {threads}T"), each(threads, &flat, |a, b| read(cache, &flat, a, b)));
        out.insert(format!("get Zipf {threads}T"), each(threads, &skewed, |a, b| read(cache, &skewed, a, b)));
    }
    let latencies = Mutex::new(Vec::new());
    out.insert("mixed 95/5 2T".into(), each(2, &skewed, |a, b| mix(cache, &skewed, &latencies, a, b)));
    let mut latencies = latencies.into_inner().unwrap();
    latencies.sort();
    for (name, share) in [("p99", 0.99), ("p99.9", 0.999)] {
        let at = (latencies.len() as f64 * share) as usize;
        out.insert(format!("get {name} in mixed"), latencies[at].as_nanos() as f64);
    }
    // A store that appends goes to new memory at first, and to what was overwritten from then on.
    for (name, threads) in [("overwrite", 1), ("overwrite", 2), ("overwrite on", 1), ("overwrite on", 2)] {
        let time = each(threads, &flat, |a, b| write(cache, &flat, VALUE_SIZE, a, b));
        out.insert(format!("{name} {threads}T"), time);
    }
}

/// Keys that were never there, into a cache that is full nearly all the time.
fn new_keys(peer: &Peer, operations: usize, out: &mut Results) {
    const BUDGET: u64 = 128 << 20;
    let stream = Stream::in_order(5 * operations);
    let before = resident();
    let cache = open(peer, BUDGET, BUDGET / (KEY_SIZE + VALUE_SIZE) as u64);
    let time = each(1, &stream, |a, b| write(cache.as_ref(), &stream, VALUE_SIZE, a, b));
    out.insert("set new 1T".into(), time);
    out.insert("resident at 128 MiB, MiB".into(), (resident() - before) / (1 << 20) as f64);
}

/// The growth of resident memory over keys and values, for each entry.
fn overhead(peer: &Peer, entries: usize, size: usize, name: &str, out: &mut Results) {
    if peer.name == "quick inline" {
        return; // its values have one size
    }
    let stream = Stream::in_order(entries);
    let before = resident();
    let cache = open(peer, (entries * (KEY_SIZE + size) * 3) as u64, entries as u64);
    write(cache.as_ref(), &stream, size, 0, entries);
    std::thread::sleep(Duration::from_millis(200));
    let mut buffer = Vec::with_capacity(2 * size);
    let asked: Vec<usize> = (0..entries).step_by(101).collect();
    let found = asked.iter().filter(|&&i| cache.get(stream.key(i), &mut buffer)).count();
    let kept = found as f64 / asked.len() as f64;
    out.insert(format!("{name}, entries kept"), kept);
    let each = (resident() - before) / (kept * entries as f64);
    out.insert(format!("{name}, B"), each - (KEY_SIZE + size) as f64);
}

/// Zipf 0.9 over as many keys as there are requests; what missed is written.
fn hits(peer: &Peer, requests: usize, out: &mut Results) {
    const BUDGET: u64 = 64 << 20;
    if matches!(peer.name, "HashMap" | "LMDB") {
        return; // they have no bound
    }
    let stream = Stream::zipf(requests, requests, 0.9, 3);
    let before = resident();
    let cache = open(peer, BUDGET, BUDGET / (KEY_SIZE + VALUE_SIZE) as u64);
    let (mut buffer, mut value, mut hits) = (Vec::with_capacity(4 * VALUE_SIZE), vec![0; VALUE_SIZE], 0);
    for i in 0..stream.len() {
        if cache.get(stream.key(i), &mut buffer) {
            verify(&buffer, stream.numbers[i], VALUE_SIZE);
            hits += 1;
        } else {
            fill_value(&mut value, stream.numbers[i]);
            cache.set(stream.key(i), &value);
        }
    }
    out.insert("hit ratio at 64 MiB".into(), hits as f64 / stream.len() as f64);
    out.insert("resident beside it, MiB".into(), (resident() - before) / (1 << 20) as f64);
}

/// What this process has in memory, tmpfs included as far as it is mapped, and the servers it has started.
fn resident() -> f64 {
    let children = std::fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id())).unwrap();
    std::iter::once("self").chain(children.split_whitespace()).map(resident_of).sum()
}

fn resident_of(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}
