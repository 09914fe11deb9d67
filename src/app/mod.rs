//! Commands, arguments, settings, start-up and exit codes.

pub mod args;
pub mod argv;
pub mod exit;
pub mod file;
pub mod settings;
pub mod table;
pub mod values;

/// Runs the command line.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
