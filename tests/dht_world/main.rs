//! Many real DHT machines in a simulated network with loss, churn and liars: lookups are right, what leaves is bounded,
//! and the same seed makes the same run.

mod hostile;
mod private;
mod scenarios;
#[path = "../support/mod.rs"]
mod support;
mod world;
