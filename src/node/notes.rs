//! What the application, the driver and the remote control say to the hallway: carried to whom it is for.

use super::Node;
use crate::base::Time;
use crate::machine::{Input, Job, Note, Outbox};

impl Node {
    pub(super) fn note(&mut self, note: Note, now: Time, out: &mut Outbox) {
        match note {
            Note::Add(add) => self.add(*add, now, out),
            Note::Seek(seek) => self.seek(*seek, now, out),
            Note::Keep { info_hash, bytes } => out.job(Job::Keep { info_hash, bytes }),
            Note::Limit { torrent: Some(id), limits } => {
                self.ask(id, now, out, |swarm, out| {
                    swarm.set_limits(limits);
                    swarm.take_turn(now, out);
                });
            }
            Note::Encryption(encryption) => out.encryption = encryption,
            Note::Limit { torrent: None, limits } => {
                out.up_limit.set_rate(limits.up_per_s, now);
                out.down_limit.set_rate(limits.down_per_s, now);
            }
            Note::AllowPeers { max } => self.allow_connections(max),
            Note::Room { conns } => {
                self.places.bound(conns);
                self.lobby.bound(self.places.lobby_max());
            }
            Note::Watch { interval } => self.watch = Some((interval, now)),
            Note::Listening { port } => self.listening(port, now, out),
            Note::Ask(_) => self.hand_member(now, Input::Note(note), out),
            Note::Ping => out.tell(Note::Pong),
            Note::Blocklist(read) => self.take_blocklist(read, now, out),
            Note::UseBlocklist { is_on } => self.use_blocklist(is_on, now, out),
            Note::Given(_) | Note::Bring { .. } => self.tell_remote(&note, now, out),
            Note::Sleep(sleep) => self.sleep(*sleep, now, out),
            Note::Rest { torrent } => self.rest(torrent, now, out),
            Note::Remove { torrent } => self.leave(torrent, now, out),
            Note::Prioritize { torrent, priorities } => {
                self.ask(torrent, now, out, |work, _| work.prioritize(&priorities));
            }
            Note::Reannounce { torrent } => self.ask(torrent, now, out, |swarm, _| swarm.reannounce(now)),
            Note::Access(_) => self.with_server(now, out, |server, out| server.sites.tell(note, now, out)),
            _ => {}
        }
    }
}
