//! A host with two wires to another: what is told to use one of them sends nothing by the other, whatever the routes say.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::Command;

use crate::capture::Capture;
use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self as ours, Event};
use crate::kit::tracker::Tracker;
use crate::kit::udp_tracker::UdpTracker;
use crate::leechers::wait_for_us;
use crate::network::{Host, Network, ip};
use crate::others::skip;
use crate::payloads::Scene;

const TEST: &str = "what_is_bound_to_an_interface_uses_no_other";
const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// Our addresses on the two wires.
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 79, 0, 1));

#[test]
fn what_is_bound_to_an_interface_uses_no_other() {
    let network = match Network::new(2) {
        Ok(network) => network,
        Err(why) => return skip(TEST, &why),
    };
    network.add_wire();
    let us = &network.hosts[0];
    // The first wire is the better way to everywhere.
    let far = network.add_far(1, FAR, &[0]);
    ip(us, "route add default via 10.77.0.2 metric 1");
    ip(us, "route add default via 10.79.0.2 dev eth1 metric 9");

    let tracker = Tracker::at(far.listen());
    let udp_tracker = far.inside(|| UdpTracker::new(FAR.into()));
    let scene = Scene::new(vec![Payload::single("bound.bin", 2_000_001, 64 << 10)], Some(&tracker.url));
    let mut seed = ours::command_at(&FAR.to_string(), &["seed"], &scene.path("seed state"));
    seed.arg("--dir").arg(scene.source()).args(&scene.torrents);
    let mut seed = Child::start("peerlink seed", far.enter(seed));
    seed.expect("shared torrent", |line| Event::of(line, "complete").map(drop));
    wait_for_us(&tracker, 1);
    let url = serve(far.listen(), std::fs::read(&scene.torrents[0]).expect("it was written"));

    // An address alone says from where, and the routes by which wire; an interface says both.
    for (bind, from, other) in
        [("eth1", SECOND, Some("eth0")), ("10.79.0.1", SECOND, None), ("eth0", FIRST, Some("eth1"))]
    {
        let capture = Capture::begin(us);
        let dir = scene.path(&format!("got by {bind}"));
        let mut get = ours::command_at(bind, &["get"], &scene.path(&format!("state of {bind}")));
        get.env("PEERLINK_NO_DHT", "false").env("PEERLINK_NO_LSD", "false").env("PEERLINK_NO_PORT_MAP", "false");
        get.args(["--dht-bootstrap", &format!("{FAR}:9"), "--timeout", "60s"]);
        get.args(["-t", &tracker.url, "-t", &udp_tracker.url]).arg("--dir").arg(&dir).arg(&url);
        Child::start("peerlink get", us.enter(get)).succeed();
        scene.check(&dir);
        let sent = capture.end();
        let ours = sent.ways.iter().filter(|(_, ip, _)| [FIRST, SECOND].contains(ip));
        let other = other.map(|name| hardware_address(us, name));
        let strays: Vec<_> = ours.filter(|(by, ip, _)| *ip != from || Some(*by) == other).collect();
        assert_eq!(strays, [&([0; 6], FIRST, FIRST); 0], "bound to {bind}");
        assert!(sent.datagrams.iter().any(|(ip, ..)| ip.ip() == from), "bound to {bind}: no datagram");
    }
    seed.terminate();
    seed.succeed();
    // It wakes its thread by a datagram to itself.
    far.inside(move || drop(udp_tracker));
}

/// As frames have it.
fn hardware_address(host: &Host, name: &str) -> [u8; 6] {
    let mut command = Command::new("ip");
    command.args(["-o", "link", "show", name]);
    let output = host.enter(command).output().expect("it was there before");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let word = text.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).expect("it has one");
    let bytes: Vec<u8> = word.split(':').map(|hex| u8::from_str_radix(hex, 16).expect("a byte")).collect();
    bytes.try_into().expect("six bytes")
}

/// A web server with one file.
fn serve(listener: TcpListener, bytes: Vec<u8>) -> String {
    let at = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
            let _ = stream.write_all(&[head.as_bytes(), &bytes].concat());
        }
    });
    format!("http://{at}/bound.torrent")
}
