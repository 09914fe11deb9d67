//! More callers than descriptors: the loop does not spin, UDP goes on, and who comes when others have left is served.

use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use ::peerlink::wire::udp_tracker::{Answer, connect};

use crate::kit::peerlink::binary;
use crate::{Server, ask};

const DESCRIPTORS: u32 = 40;
const CALLERS: usize = 200;
/// How long it is watched, and how much of one core it may use.
const WATCHED: Duration = Duration::from_secs(2);
const CPU_MAX: Duration = Duration::from_millis(100);

#[test]
fn without_descriptors_it_waits_and_goes_on_after() {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {DESCRIPTORS}; exec \"$@\"")).arg("sh").arg(binary());
    let server = Server::by(shell);
    let callers: Vec<TcpStream> =
        (0..CALLERS).map(|_| TcpStream::connect(server.address).expect("the kernel's queue has room")).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(server.address).expect("loopback");
    socket.set_read_timeout(Some(crate::kit::PATIENCE)).expect("not zero");
    let before = server.cpu_time();
    for transaction in 1..=20 {
        std::thread::sleep(WATCHED / 20);
        socket.send(&connect(transaction)).expect("sent");
        let mut bytes = [0; 100];
        let len = socket.recv(&mut bytes).expect("an answer");
        let (same, answer) = Answer::parse(&bytes[..len], [127, 0, 0, 1].into()).expect("BEP 15");
        assert!(same == transaction && matches!(answer, Answer::Connected { .. }));
    }
    let used = server.cpu_time() - before;
    println!("{CALLERS} callers and {DESCRIPTORS} descriptors: {used:?} of the processor in {WATCHED:?}");
    assert!(used <= CPU_MAX, "it used {used:?} in {WATCHED:?}");
    drop(callers);
    assert!(ask(server.address, "GET /health HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nok\n"));
    server.end();
}
