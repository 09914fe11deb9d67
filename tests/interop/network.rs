//! Where the programs of a test run: on this machine's loopback, or on hosts of a network of namespaces that the test
//! makes, since some clients believe in no peer on 127.x. Everything ends with its holders, which end with the test.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::kit::PATIENCE;
use crate::kit::child::Child;

/// One host: an address, and the namespace it belongs to.
#[derive(Clone)]
pub struct Host {
    pub ip: IpAddr,
    /// The process that keeps the namespace; none: where the test itself runs.
    holder: Option<u32>,
}

impl Host {
    /// This machine's own.
    pub fn loopback() -> Host {
        Host::at(Ipv4Addr::LOCALHOST.into())
    }

    /// An address of this machine.
    pub fn at(ip: IpAddr) -> Host {
        Host { ip, holder: None }
    }

    /// The command, to be run on this host.
    pub fn enter(&self, command: Command) -> Command {
        let Some(holder) = self.holder else { return command };
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net=/proc/{holder}/ns/net")).arg("--").arg(command.get_program());
        inside.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            inside.current_dir(dir);
        }
        inside
    }

    /// What this gives when it is called by a thread of this host. Sockets stay where they were made.
    pub fn inside<T: Send>(&self, call: impl FnOnce() -> T + Send) -> T {
        let Some(holder) = self.holder else { return call() };
        let space = File::open(format!("/proc/{holder}/ns/net")).expect("its holder runs");
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).expect("we made it");
                call()
            });
            thread.join().expect("it does not panic")
        })
    }

    /// Waits until a program here has a connection to that place, or from there.
    pub fn wait_for_connection(&self, to: SocketAddr) {
        let end = Instant::now() + PATIENCE;
        let list = || {
            let mut command = Command::new("ss");
            command.args(["-Htn", "state", "established"]);
            command
        };
        loop {
            let output = self.enter(list()).output().expect("ss is of iproute2");
            let listed = String::from_utf8_lossy(&output.stdout).into_owned();
            if listed.split_whitespace().any(|word| word == to.to_string()) {
                return;
            }
            assert!(Instant::now() < end, "no connection to {to}: {listed}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A listener on any port.
    pub fn listen(&self) -> TcpListener {
        self.inside(|| TcpListener::bind((self.ip, 0)).expect("a free port"))
    }

    /// A port that is free for TCP and UDP, for programs that cannot be told to take any.
    pub fn free_port(&self) -> u16 {
        self.inside(|| {
            loop {
                let tcp = TcpListener::bind((self.ip, 0)).expect("a free port");
                let port = tcp.local_addr().expect("it is bound").port();
                if UdpSocket::bind((self.ip, port)).is_ok() {
                    return port;
                }
            }
        })
    }
}

/// Hosts 10.77.0.1, 10.77.0.2, … on one switch. No way leads out of it.
pub struct Network {
    pub hosts: Vec<Host>,
    /// Each keeps a namespace alive, and ends at the latest when its standard input does.
    _holders: Vec<Child>,
}

impl Network {
    /// A network of so many hosts, or why there can be none.
    pub fn new(count: u8) -> Result<Network, String> {
        let mut command = Command::new("unshare");
        command.args(["--net", "true"]);
        if !command.output().is_ok_and(|output| output.status.success()) {
            return Err("cannot make a network namespace here".into());
        }
        if Command::new("ip").arg("-V").output().is_err() {
            return Err("iproute2 is not installed".into());
        }
        let mut holders = vec![hold()];
        let switch = Host { ip: Ipv4Addr::UNSPECIFIED.into(), holder: Some(holders[0].pid()) };
        ip(&switch, "link add switch type bridge");
        ip(&switch, "link set switch up");
        let hosts = (1..=count).map(|number| {
            let holder = hold();
            let host = Host { ip: Ipv4Addr::new(10, 77, 0, number).into(), holder: Some(holder.pid()) };
            ip(&switch, &format!("link add port{number} type veth peer name eth0 netns {}", holder.pid()));
            ip(&switch, &format!("link set port{number} master switch up"));
            ip(&host, &format!("address add {}/24 dev eth0", host.ip));
            ip(&host, "link set lo up");
            ip(&host, "link set eth0 up");
            // Where those send to who name no interface.
            ip(&host, "route add 239.0.0.0/8 dev eth0");
            holders.push(holder);
            host
        });
        let hosts = hosts.collect();
        Ok(Network { hosts, _holders: holders })
    }
}

impl Network {
    /// The first host is the gateway of the others.
    pub fn lead_out(&self) {
        let [first, others @ ..] = &self.hosts[..] else { return };
        others.iter().for_each(|host| ip(host, &format!("route add default via {}", first.ip)));
    }

    /// Host `number` (from 0) is also this address, which looks like one of the internet, and of the others those in
    /// `from` know the way there.
    pub fn add_far(&self, number: usize, far: Ipv4Addr, from: &[usize]) -> Host {
        let host = &self.hosts[number];
        ip(host, &format!("address add {far}/32 dev lo"));
        from.iter().for_each(|other| ip(&self.hosts[*other], &format!("route add {far} via {}", host.ip)));
        Host { ip: far.into(), holder: host.holder }
    }

    /// A second wire between the first two hosts: `eth1`, with 10.79.0.1 and 10.79.0.2.
    pub fn add_wire(&self) {
        let [first, second, ..] = &self.hosts[..] else { return };
        let to = second.holder.expect("it has a namespace");
        ip(first, &format!("link add eth1 type veth peer name eth1 netns {to}"));
        for (host, address) in [(first, "10.79.0.1/24"), (second, "10.79.0.2/24")] {
            ip(host, &format!("address add {address} dev eth1"));
            ip(host, "link set eth1 up");
        }
    }

    /// The first host is also all of 10.78.x.y, for whoever needs many addresses.
    pub fn widen(&self) {
        let [first, others @ ..] = &self.hosts[..] else { return };
        ip(first, "route add local 10.78.0.0/16 dev lo");
        others.iter().for_each(|host| ip(host, &format!("route add 10.78.0.0/16 via {}", first.ip)));
    }
}

/// A process in a new namespace.
fn hold() -> Child {
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "echo ready; exec cat"]);
    let mut holder = Child::start("holder of a namespace", command);
    holder.expect("namespace", |line| (line == "ready").then_some(()));
    holder
}

/// `ip WORDS` on a host.
pub fn ip(host: &Host, words: &str) {
    let mut command = Command::new("ip");
    command.args(words.split(' '));
    let output = host.enter(command).output().expect("it was there before");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}
