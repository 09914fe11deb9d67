//! Taking a torrent away: by the token that its publisher was given, or by an operator.

use super::gate::Claim;
use super::publish::{locked, trouble};
use super::{Index, Pending, file_of, plain};
use crate::base::{ConnId, InfoHash, Time};
use crate::machine::{DiskError, Job, Outbox};
use crate::wire::authorization::Authorization;
use crate::wire::http::{Reply, Request};

impl Index {
    /// A torrent is to go; the reply where it is known at once.
    pub(super) fn unpublish(
        &mut self,
        conn: ConnId,
        info_hash: InfoHash,
        request: &Request<'_>,
        now: Time,
        out: &mut Outbox,
    ) -> Option<Reply> {
        let Some(token) = self.catalog.get(info_hash).map(|entry| entry.token) else {
            return Some(plain(404, "There is no such torrent here."));
        };
        let claim = request.head.field("authorization").and_then(Authorization::parse);
        match self.gate.may_remove(request.remote.ip(), &token, claim.as_ref(), now) {
            Claim::Right => {}
            Claim::Wrong => {
                let text = "Only its publisher, with the token, or an operator can take it away.";
                return Some(plain(401, text).with("WWW-Authenticate", "Basic realm=\"peerlink\""));
            }
            Claim::Locked(seconds) => return Some(locked(seconds, false)),
        }
        if self.is_changing(info_hash) {
            return Some(plain(409, "Somebody is removing this torrent right now."));
        }
        let file = file_of(info_hash);
        self.start(Pending::Unpublish { conn, info_hash }, |id| Job::Unshelve { id, file }, out)
    }

    /// The disk has taken it away, or not.
    pub(super) fn unpublished(&mut self, info_hash: InfoHash, result: Result<Vec<u8>, DiskError>) -> Reply {
        match result {
            Ok(_) => {
                self.catalog.remove(info_hash);
                plain(200, "It is not published any more.")
            }
            Err(error) => {
                log::warn!("cannot unpublish {info_hash}: {}", error.text);
                trouble(&error, false)
            }
        }
    }
}
