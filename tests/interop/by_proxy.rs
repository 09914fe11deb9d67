//! A download by somebody else's SOCKS5 proxy, on a host that reaches nothing but the proxy, and of which all is captured
//! that it sends: the tracker is known by a name that only the proxy can look up, the seed by the tracker.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::capture::Capture;
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self as ours, Event};
use crate::kit::tracker::Tracker;
use crate::network::{Network, ip};
use crate::others::skip;
use crate::payloads::Scene;

const TEST: &str = "a_download_by_microsocks_sends_nothing_else";
/// Looks like an address of the internet: a tracker may name peers there whoever it is.
const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);

#[test]
fn a_download_by_microsocks_sends_nothing_else() {
    if Command::new("microsocks").arg("-?").output().is_err() {
        return skip(TEST, "microsocks is not installed");
    }
    let network = match Network::new(3) {
        Ok(network) => network,
        Err(why) => return skip(TEST, &why),
    };
    let [us, proxy, _] = &network.hosts[..] else { panic!("three hosts") };
    let far = network.add_far(2, FAR, &[1]);
    // Of all that is on this network, only the proxy's host is reached, which passes nothing on. What is sent elsewhere
    // goes there all the same, so that it is seen: a question for a name, a search for a gateway.
    ip(us, "route add unreachable 10.77.0.3/32");
    ip(us, "route add default via 10.77.0.2");

    let tracker = Tracker::at(far.listen());
    let port = tracker.url.rsplit(':').next().and_then(|rest| rest.split('/').next()).expect("a port");
    let named = format!("http://tracker.test:{port}/announce");
    let scene = Scene::new(vec![Payload::single("by proxy.bin", 2_000_001, 64 << 10)], Some(&named));
    let direct = scene.more_torrents("direct", Some(&tracker.url));
    let mut seed = ours::command_at(&FAR.to_string(), &["seed"], &scene.path("seed state"));
    seed.arg("--dir").arg(scene.source()).args(direct);
    let mut seed = Child::start("peerlink seed", far.enter(seed));
    seed.expect("shared torrent", |line| Event::of(line, "complete").map(drop));
    crate::leechers::wait_for_us(&tracker, 1);

    // Names as the proxy's own machine knows them.
    std::fs::write(scene.path("hosts"), format!("127.0.0.1 localhost\n{FAR} tracker.test\n"))
        .expect("our own folder");
    let mut microsocks = Command::new("unshare");
    let shell = "mount --bind hosts /etc/hosts && exec microsocks -i 10.77.0.2 -p 1080 -u ann -P secret";
    microsocks.args(["--mount", "sh", "-c", shell]).current_dir(scene.path("."));
    let _microsocks = Child::start("microsocks", proxy.enter(microsocks));
    let at = SocketAddr::new(proxy.ip, 1080);
    wait_for_listener(us, at);

    let capture = Capture::begin(us);
    let mut get = ours::command_at(&us.ip.to_string(), &["get"], &scene.path("get state"));
    // With a proxy, none of these three is used.
    for name in ["PEERLINK_NO_DHT", "PEERLINK_NO_LSD", "PEERLINK_NO_PORT_MAP"] {
        get.env(name, "false");
    }
    get.args(["--proxy", &format!("socks5://ann:secret@{at}"), "--timeout", "60s"]);
    get.arg("--dir").arg(scene.path("got")).args(&scene.torrents);
    Child::start("peerlink get", us.enter(get)).succeed();
    scene.check(&scene.path("got"));
    let sent = capture.end();
    let others: Vec<(SocketAddr, SocketAddr)> = sent.ends().filter(|(from, to)| *from != at && *to != at).collect();
    assert_eq!(others, [], "somebody else than the proxy was spoken to");
    assert!(sent.ends().count() >= 4, "the tracker's connection and the seed's, both ways");
    seed.terminate();
    seed.succeed();
}

/// Waits until somebody can be dialled there.
fn wait_for_listener(host: &crate::network::Host, at: SocketAddr) {
    let end = std::time::Instant::now() + crate::kit::PATIENCE;
    while host.inside(|| std::net::TcpStream::connect(at)).is_err() {
        assert!(std::time::Instant::now() < end, "nobody listens at {at}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
