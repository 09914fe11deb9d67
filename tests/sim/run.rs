//! Runs seeds, catches what breaks, and says which seed it was.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use peerlink::base::Time;

use crate::draw::{Fault, draw};
use crate::host::Maker;

/// A seed's run that ended well.
#[derive(Debug)]
pub struct Ran {
    pub inputs: u64,
    pub hash: u64,
    pub faults: Vec<Fault>,
    pub simulated_s: u64,
}

thread_local! {
    static BROKEN: RefCell<String> = const { RefCell::new(String::new()) };
    /// Time and host of the last input.
    static LAST: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
    static QUIET: RefCell<bool> = const { RefCell::new(false) };
}

/// Says where a run is, for the message if it breaks.
pub fn mark(now: Time, host: usize) {
    LAST.set((now.0, host));
}

/// One seed from its begin to its end; what went wrong, as text.
pub fn run_seed(seed: u64, maker: Maker, prints: bool) -> Result<Ran, String> {
    let mut faults = Vec::new();
    let ran = caught(|| {
        let drawn = draw(seed, maker);
        let mut world = drawn.world;
        faults = drawn.faults.clone();
        world.trace.prints = prints;
        world.run_to_completion(drawn.heal);
        world.close_down();
        Ran {
            inputs: world.inputs,
            hash: world.trace.hash(),
            faults: drawn.faults,
            simulated_s: world.now.0 / 1_000_000,
        }
    });
    let (at, host) = LAST.get();
    ran.map_err(|error| format!("seed {seed} with {faults:?}: at {at} us, host {host}: {error}"))
}

/// Many seeds' runs.
#[derive(Debug, Default)]
pub struct All {
    pub inputs: u64,
    pub simulated_s: u64,
    /// Seeds per fault.
    pub faults: BTreeMap<Fault, u64>,
    /// What went wrong, in the order of seeds.
    pub errors: Vec<String>,
}

/// Runs seeds 0..count on as many threads as there are cores.
pub fn run_seeds(count: u64, maker: Maker) -> All {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get()).min(8);
    let work = || {
        let mut ran = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return ran;
            }
            ran.push((seed, run_seed(seed, maker, false)));
        }
    };
    let mut results: Vec<(u64, Result<Ran, String>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("every panic is caught")).collect()
    });
    results.sort_by_key(|(seed, _)| *seed);
    let mut all = All::default();
    for (_, result) in results {
        match result {
            Ok(ran) => {
                all.inputs += ran.inputs;
                all.simulated_s += ran.simulated_s;
                ran.faults.iter().for_each(|fault| *all.faults.entry(*fault).or_default() += 1);
            }
            Err(error) => all.errors.push(error),
        }
    }
    all
}

/// Runs something that may panic; the panic's text and place instead of a message on stderr.
pub fn caught<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.with_borrow(|quiet| *quiet) {
                return before(info);
            }
            let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
            let payload = info.payload();
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("?");
            let trace = std::env::var_os("PEERLINK_SIM_SEED")
                .map(|_| format!("\n{}", std::backtrace::Backtrace::force_capture()))
                .unwrap_or_default();
            BROKEN.with_borrow_mut(|broken| *broken = format!("{text} ({place}){trace}"));
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    QUIET.set(false);
    result.map_err(|_| BROKEN.take())
}
