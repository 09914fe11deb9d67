//! The binary: hands the arguments to [`peerlink::app`] and exits with its code.

fn main() -> std::process::ExitCode {
    peerlink::app::main()
}
