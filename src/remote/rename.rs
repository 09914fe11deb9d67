//! `torrent-rename-path`: a file, a folder or the whole torrent gets another name, on disk and in everything that is
//! told. The record says what was renamed; it is done to the metainfo whenever that is read.

use super::call::{Back, Call};
use super::get::read_torrent;
use super::torrent::{Run, Torrent};
use super::{Errand, Remote};
use crate::base::Time;
use crate::machine::{DiskError, Outbox};
use crate::metainfo::rename::rename;

/// Bytes of all renames of one torrent: they are part of its record.
const RENAMES_LEN: usize = 256 * 1024;

/// What somebody wants to be renamed.
#[derive(Debug)]
pub struct Renaming {
    id: u32,
    back: Back,
    path: String,
    name: String,
}

impl Remote {
    pub(super) fn rename_path(&mut self, call: &Call, now: Time, out: &mut Outbox) {
        let back = call.back;
        let ids = self.meant(call, now);
        let [id] = ids[..] else { return back.fail("torrent-rename-path requires 1 torrent", out) };
        let (Some(path), Some(name)) = (call.text("path"), call.text("name")) else {
            return back.fail("Invalid argument", out);
        };
        let Some(torrent) = self.list.get(id) else { return back.fail("Invalid argument", out) };
        let renamed: usize = torrent.renames().iter().map(|(path, name)| path.len() + name.len()).sum();
        if renamed + path.len() + name.len() > RENAMES_LEN {
            return back.fail("too much was renamed of this torrent", out);
        }
        if !torrent.has_metainfo() || torrent.plans.renaming.is_some() || torrent.plans.moving.is_some() {
            return back.fail("Resource busy: its metainfo is not known yet, or its files are being moved", out);
        }
        let renaming = Renaming { id, back, path: path.to_string(), name: name.to_string() };
        self.recall(torrent.info_hash, Errand::Rename(Box::new(renaming)), out);
    }

    /// The .torrent file was read of one of which something is to be renamed: done as soon as nothing works on it.
    pub(super) fn on_rename(&mut self, renaming: Renaming, result: Result<Vec<u8>, DiskError>, out: &mut Outbox) {
        let Renaming { id, back, path, name } = renaming;
        let Some(torrent) = self.list.get_mut(id).filter(|torrent| torrent.plans.renaming.is_none()) else {
            return back.fail("Resource busy", out);
        };
        let metainfo = result.ok().and_then(|bytes| read_torrent(&bytes, torrent));
        let Some(mut metainfo) = metainfo else { return back.fail("its .torrent file is damaged", out) };
        if let Err(refused) = rename(&mut metainfo, &path, &name) {
            return back.fail(refused.text(), out);
        }
        torrent.plans.renaming = Some(Box::new((path, name)));
        self.renamers.insert(id, back);
        // On disk before the files are: after a crash it goes on.
        self.save(id, Errand::Save(Some(id)), out);
        self.is_stale = true;
    }

    /// Its files have other names now, or cannot have. True where there was something to rename.
    pub(super) fn on_renamed(
        &mut self,
        id: u32,
        result: &Result<(), DiskError>,
        now: Time,
        out: &mut Outbox,
    ) -> bool {
        let Some(torrent) = self.list.get_mut(id) else { return false };
        let Some(renaming) = torrent.plans.renaming.take() else { return false };
        (torrent.run, torrent.is_dirty, torrent.changed) = (Run::Rest, true, now);
        self.is_stale = true;
        let (path, name) = *renaming;
        if result.is_ok() {
            torrent.rename(path.clone(), name.clone());
        }
        let Some(back) = self.renamers.remove(&id) else { return true };
        match result {
            Err(error) => back.fail(&error.text, out),
            Ok(()) => back.tell(out, |object| {
                object.plain("id", id);
                object.text("name", &name);
                object.text("path", &path);
            }),
        }
        true
    }
}

impl Torrent {
    /// What was renamed, in this order.
    pub fn renames(&self) -> &[(String, String)] {
        self.own.as_ref().map_or(&[], |own| &own.renames)
    }

    /// Remembers a rename that was done.
    fn rename(&mut self, path: String, name: String) {
        if !path.contains('/') {
            self.name = name.as_str().into();
        }
        self.own_mut().renames.push((path, name));
    }
}
