//! A deterministic simulator: the real node in a simulated network, on a simulated disk, under a simulated clock.

mod actor;
mod codec;
mod dht;
mod disk;
mod draw;
mod drive;
mod events;
mod guilt;
mod host;
mod lab;
mod ledger;
mod manners;
mod mischief;
mod net;
mod pipe;
mod planted;
mod process;
mod rogues;
mod run;
mod safety;
mod saved;
mod scenarios;
mod sharing;
#[path = "../support/mod.rs"]
mod support;
mod tap;
mod trace;
mod tracking;
mod udp;
mod web;
mod web_actor;
mod web_seeds;
mod world;

/// Seeds that are run by default: all in the profile made for it, a taste in others.
fn default_seeds() -> u64 {
    let exe = std::env::current_exe().unwrap_or_default();
    let is_sim = exe.ancestors().any(|folder| folder.ends_with("sim/deps"));
    if is_sim { 1000 } else { 20 }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Many random worlds. `PEERLINK_SIM_SEEDS` says how many, `PEERLINK_SIM_SEED` runs one and prints all of it.
#[test]
fn seeds() {
    if let Some(seed) = number("PEERLINK_SIM_SEED") {
        let ran = run::run_seed(seed, host::plain_node, true);
        println!("{ran:?}");
        assert!(ran.is_ok());
        return;
    }
    let count = number("PEERLINK_SIM_SEEDS").unwrap_or_else(default_seeds);
    let all = run::run_seeds(count, host::plain_node);
    println!("{count} seeds, {} inputs, {} simulated seconds", all.inputs, all.simulated_s);
    for (fault, seeds) in &all.faults {
        println!("{fault:?}: {seeds} seeds");
    }
    for error in &all.errors {
        println!("{error}");
    }
    assert!(all.errors.is_empty(), "{} of {count} seeds failed", all.errors.len());
    if count >= 1000 {
        assert!(all.inputs >= 2_000_000, "only {} inputs", all.inputs);
        for fault in draw::FAULTS {
            let seeds = all.faults.get(&fault).copied().unwrap_or(0);
            assert!(seeds * 100 >= count * 3, "{fault:?} in only {seeds} of {count} seeds");
        }
    }
}

#[test]
fn same_seed_same_trace() {
    for seed in [3, 14, 159, 265] {
        let once = run::run_seed(seed, host::plain_node, false).map(|ran| ran.hash);
        let twice = run::run_seed(seed, host::plain_node, false).map(|ran| ran.hash);
        assert_eq!(once, twice, "seed {seed}");
    }
}
