// SPDX-License-Identifier: Apache-2.0
//! Runs memstore and other native caches through the same workloads, in turn, round after round, each workload of each in
//! a process of its own, and prints the medians.
//!
//!     native-peers [--rounds 5] [--entries 1000000] [--operations 1000000] [--peers A,B] [--workloads A,B]
//!                  [--jar ../java/target/java-peers.jar]
//!
//! Those that are servers (memcached, redis-server) are started where they are installed and left out elsewhere. A call of theirs takes a
//! hundred times as long: `--entries 200000 --operations 100000` is enough beside them.

mod caches;
mod measure;
mod memstore;
mod servers;
mod streams;

use caches::{Peer, PEERS};
use measure::Results;
use std::collections::BTreeMap;
use std::process::Command;

const WORKLOADS: &str = "speed,new,overhead,overhead-large,hits";
const ROWS: &[&str] = &[
    "get Zipf 1T", "get Zipf 2T", "get uniform 1T", "get uniform 2T", "mixed 95/5 2T", "get p99 in mixed",
    "get p99.9 in mixed", "overwrite 1T", "overwrite 2T", "overwrite on 1T", "overwrite on 2T", "set new 1T",
    "resident at 128 MiB, MiB", "overhead 32 B, B", "overhead 32 B, entries kept", "overhead 500 B, B", "overhead 500 B, entries kept",
    "hit ratio at 64 MiB", "resident beside it, MiB",
];

type All = BTreeMap<(String, &'static str), Vec<f64>>;

struct Options {
    rounds: usize,
    entries: usize,
    operations: usize,
    peers: String,
    workloads: String,
    /// What `mvn package` makes in peers/java; empty = without it.
    jar: String,
    child: Option<String>,
}

fn options() -> Options {
    let mut options = Options {
        rounds: 5,
        entries: 1_000_000,
        operations: 1_000_000,
        peers: PEERS.iter().map(|peer| peer.name).collect::<Vec<_>>().join(","),
        workloads: WORKLOADS.into(),
        jar: String::new(),
        child: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--rounds" => options.rounds = value.parse().unwrap(),
            "--entries" => options.entries = value.parse().unwrap(),
            "--operations" => options.operations = value.parse().unwrap(),
            "--peers" => options.peers = value,
            "--workloads" => options.workloads = value,
            "--jar" => options.jar = value,
            "--child" => options.child = Some(value),
            _ => panic!("there is no option {name}"),
        }
    }
    options
}

fn find(name: &str) -> &'static Peer {
    PEERS.iter().find(|peer| peer.name == name).unwrap_or_else(|| panic!("there is no peer {name:?}"))
}

fn in_child(peer: &Peer, workload: &str, options: &Options) -> Results {
    let mut command = match peer.open {
        Some(_) => Command::new(std::env::current_exe().unwrap()),
        None => Command::new("java"),
    };
    if peer.open.is_none() {
        command.args(["-Xmx8g", "-jar", &options.jar]);
    }
    let output = command
        .args(["--child", &format!("{}:{workload}", peer.name)])
        .args(["--entries", &options.entries.to_string(), "--operations", &options.operations.to_string()])
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{} failed at {workload}", peer.name);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn measure_all(options: &Options, peers: &[&'static Peer]) -> All {
    let mut all = All::new();
    for round in 1..=options.rounds {
        for workload in options.workloads.split(',') {
            for peer in peers {
                eprint!("\rround {round} of {}: {workload:15} {:15}", options.rounds, peer.name);
                for (row, figure) in in_child(peer, workload, options) {
                    all.entry((row, peer.name)).or_default().push(figure);
                }
            }
        }
    }
    eprintln!();
    all
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn cell(row: &str, figures: Option<&Vec<f64>>) -> String {
    match figures {
        None => " – |".into(),
        Some(figures) if row.contains("ratio") || row.contains("kept") => format!(" {:.3} |", median(figures)),
        Some(figures) => format!(" {:.0} |", median(figures)),
    }
}

fn print(all: &All, options: &Options, peers: &[&'static Peer]) {
    println!("Medians of {} rounds. Times in ns an operation and thread.\n", options.rounds);
    println!("|  |{}", peers.iter().map(|peer| format!(" {} |", peer.name)).collect::<String>());
    println!("|---|{}", "--:|".repeat(peers.len()));
    for row in ROWS {
        let figures: Vec<_> = peers.iter().map(|peer| all.get(&(row.to_string(), peer.name))).collect();
        if figures.iter().any(Option::is_some) {
            println!("| {row} |{}", figures.iter().map(|figures| cell(row, *figures)).collect::<String>());
        }
    }
    println!();
    for peer in peers {
        println!("- {}: {}", peer.name, peer.described);
    }
}

fn main() {
    let options = options();
    if let Some(child) = &options.child {
        let (name, workload) = child.split_once(':').unwrap();
        let results = measure::measure(find(name), workload, options.entries, options.operations);
        println!("{}", serde_json::to_string(&results).unwrap());
        return;
    }
    let can_run = |peer: &&Peer| servers::is_installed(peer.name) && (peer.open.is_some() || !options.jar.is_empty());
    let peers: Vec<_> = options.peers.split(',').map(find).filter(can_run).collect();
    print(&measure_all(&options, &peers), &options, &peers);
}
