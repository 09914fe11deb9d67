//! The lives of a node's process: started, killed, without power, stopped.

use peerlink::base::shared_limit::SharedLimit;
use peerlink::base::{Span, TorrentId, limits};
use peerlink::machine::{AddTorrent, Closed, Input, Note, Outbox, Ways};
use peerlink::node::bans;
use peerlink::storage::{Bans, Layout};

use crate::host::{Kind, dir_of};
use crate::world::{Event, Step, World};

impl World {
    pub fn start(&mut self, host: usize) {
        if self.hosts[host].running {
            return;
        }
        let seed = self.rng.u64(..);
        let was_dark = self.hosts[host].dark;
        let maker = self.maker;
        let one_by_one = self.one_by_one;
        let port = self.hosts[host].address.port();
        let h = &mut self.hosts[host];
        (h.running, h.dark) = (true, false);
        h.process += 1;
        let Kind::Node(node) = &mut h.kind else { return };
        node.forget_process();
        node.stopped = None;
        let (download, upload, blocks) = node.purse;
        node.out = Outbox::new(seed, blocks, download, upload);
        if let Some(kept) = node.disk.kept.get(bans::FILE) {
            // Simulated time begins anew with no process: what a ban has left does not matter here.
            node.out.bans = Bans::decode(kept, Span::ZERO).expect("it was written whole");
        }
        node.out.up_limit = SharedLimit::new(node.limits.0);
        node.out.down_limit = SharedLimit::new(node.limits.1);
        node.machine = Some(maker(seed));
        let tasks = node.tasks.clone();
        if was_dark {
            self.wake_the_dead(host);
        }
        self.input(host, Input::Note(Note::Listening { port }));
        self.input(host, Input::Note(Note::Watch { interval: Span::secs(1) }));
        for task in tasks {
            let metainfo = self.torrents[task.torrent].metainfo.clone();
            let layout = Layout::new(&metainfo, &task.wanted);
            let content = self.torrents[task.torrent].content.clone();
            self.node_mut(host).safety.one_by_one = one_by_one;
            self.node_mut(host).safety.add(&task, layout, content, metainfo.info_hash);
            let add = AddTorrent {
                torrent: TorrentId(task.torrent as u32),
                metainfo,
                dir: dir_of(host),
                wanted: task.wanted,
                priorities: Vec::new(),
                peers: task.peers,
                trackers: task.trackers,
                announce_all: task.announce_all,
                prealloc: task.prealloc,
                sequential: task.sequential,
                peers_max: task.peers_max,
                recheck: task.recheck,
                had: None,
                web_seeds_by: peerlink::base::address::Reach::Nowhere,
                ways: Ways { pex: task.pex, ..Ways::default() },
                limits: task.limits,
            };
            self.input(host, Input::Note(Note::Add(Box::new(add))));
        }
    }

    /// Peers that still hold connections to a machine that was without power get resets, sooner or later.
    fn wake_the_dead(&mut self, host: usize) {
        for conn in 0..self.conns.len() {
            for side in [0, 1] {
                let ends = &self.conns[conn].ends;
                if ends[1 - side].host == host && !ends[1 - side].live && ends[side].live {
                    let wait = Span::millis(self.rng.u64(1_000..20_000));
                    self.after(wait, Event::Gone { conn, side, reason: Closed::Error });
                }
            }
        }
    }

    /// The process dies; its kernel closes everything.
    pub fn kill(&mut self, host: usize) {
        if !self.hosts[host].running {
            return;
        }
        let conns: Vec<(usize, usize)> = self.hosts[host].conns.values().copied().collect();
        for (conn, side) in conns {
            self.close(conn, side);
        }
        self.hosts[host].running = false;
        self.hosts[host].process += 1;
        let node = self.node_mut(host);
        node.disk.process_died();
        node.forget_process();
    }

    pub fn power_cut(&mut self, host: usize) {
        if !self.hosts[host].running {
            return;
        }
        let mut rng = self.rng.fork();
        for (conn, side) in std::mem::take(&mut self.hosts[host].conns).into_values() {
            self.conns[conn].ends[side].live = false;
        }
        let h = &mut self.hosts[host];
        (h.running, h.dark) = (false, true);
        h.process += 1;
        let node = self.node_mut(host);
        node.forget_process();
        node.disk.power_cut(&mut rng);
    }

    /// A clean stop begins.
    pub fn stop(&mut self, host: usize) {
        if self.hosts[host].running && self.node(host).stop_asked.is_none() {
            let now = self.now;
            let node = self.node_mut(host);
            node.stop_asked = Some(now);
            node.goodbyes = node.safety.events.open(now).collect();
            let must = Step::MustBeStopped(host, self.hosts[host].process);
            self.plan(self.now + limits::STOP_TIMEOUT + Span::millis(50), must);
            self.input(host, Input::Stop);
        }
    }
}
