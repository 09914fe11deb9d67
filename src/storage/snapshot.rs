//! The resume snapshot's bytes: everything that is remembered of a torrent, under one SHA-1.

use sha1::{Digest, Sha1};

use super::fields::{Fields, put_bytes, put_number};
use super::layout::Layout;
use super::resume::{Partial, Present, Resume, Stamp};
use crate::base::{Bitfield, Geometry};

const MAGIC: &[u8; 8] = b"PLsnap1\n";
pub const CHECK_LEN: usize = 20;

/// A snapshot that belongs to the torrent at hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Counts up with each snapshot of the torrent; the journal names the one it goes on from.
    pub generation: u64,
    /// Device numbers of its stamps mean something only in the boot it was written in.
    pub boot_id: String,
    /// Which files were wanted, so where border bytes were stored.
    pub wanted: Vec<bool>,
    /// Per file, and last the part file.
    pub stamps: Vec<Option<Stamp>>,
    pub resume: Resume,
}

/// Which files are wanted now.
pub(super) fn wanted(layout: &Layout) -> Vec<bool> {
    (0..layout.files().len()).map(|file| layout.is_wanted(file)).collect()
}

impl Snapshot {
    /// The bytes of a snapshot of the present.
    pub fn encode(present: &Present<'_>, generation: u64, resume: &Resume) -> Vec<u8> {
        let geometry = present.layout.geometry();
        let mut out = MAGIC.to_vec();
        put_number(&mut out, generation);
        out.extend_from_slice(&present.info_hash.0);
        put_number(&mut out, geometry.total_len());
        put_number(&mut out, geometry.piece_len().into());
        put_bytes(&mut out, present.dir);
        put_bytes(&mut out, present.boot_id.as_bytes());
        put_number(&mut out, present.layout.files().len() as u64);
        for (index, stamp) in present.stamps.iter().enumerate() {
            let is_wanted = index < present.layout.files().len() && present.layout.is_wanted(index);
            out.push(u8::from(is_wanted) | u8::from(stamp.is_some()) << 1);
            if let Some(stamp) = stamp {
                put_number(&mut out, stamp.len);
                put_number(&mut out, stamp.mtime_ns.cast_unsigned());
                put_number(&mut out, stamp.inode);
                put_number(&mut out, stamp.device);
            }
        }
        encode_resume(&mut out, resume);
        let check = Sha1::digest(&out);
        out.extend_from_slice(&check);
        out
    }

    /// Reads a snapshot; None when it is damaged or of another torrent, folder or version.
    pub fn decode(bytes: &[u8], present: &Present<'_>) -> Option<Snapshot> {
        let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_LEN)?)?;
        if Sha1::digest(body).as_slice() != check {
            return None;
        }
        let mut fields = Fields { rest: body };
        let geometry = present.layout.geometry();
        if fields.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let generation = fields.number()?;
        let ours = fields.take(20)? == present.info_hash.0
            && fields.number()? == geometry.total_len()
            && fields.number()? == u64::from(geometry.piece_len())
            && fields.bytes()? == present.dir;
        if !ours {
            return None;
        }
        let boot_id = std::str::from_utf8(fields.bytes()?).ok()?.to_string();
        let file_count = present.layout.files().len();
        if fields.number()? != file_count as u64 {
            return None;
        }
        let mut wanted = Vec::with_capacity(file_count);
        let mut stamps = Vec::with_capacity(file_count + 1);
        for _ in 0..=file_count {
            let flags = fields.byte()?;
            wanted.push(flags & 1 != 0);
            stamps.push(if flags & 2 != 0 { Some(decode_stamp(&mut fields)?) } else { None });
        }
        wanted.truncate(file_count);
        let resume = decode_resume(&mut fields, geometry)?;
        fields.rest.is_empty().then_some(Snapshot { generation, boot_id, wanted, stamps, resume })
    }
}

fn decode_stamp(fields: &mut Fields<'_>) -> Option<Stamp> {
    Some(Stamp {
        len: fields.number()?,
        mtime_ns: fields.number()?.cast_signed(),
        inode: fields.number()?,
        device: fields.number()?,
    })
}

fn encode_resume(out: &mut Vec<u8>, resume: &Resume) {
    put_number(out, resume.downloaded);
    put_number(out, resume.uploaded);
    out.push(u8::from(resume.completed));
    out.extend_from_slice(resume.have.as_bytes());
    out.extend_from_slice(resume.suspect.as_bytes());
    put_number(out, resume.partial.len() as u64);
    for partial in &resume.partial {
        put_number(out, partial.piece.index().into());
        out.extend_from_slice(partial.stored.as_bytes());
    }
}

fn decode_resume(fields: &mut Fields<'_>, geometry: &Geometry) -> Option<Resume> {
    let bit_count = geometry.piece_count();
    let (downloaded, uploaded) = (fields.number()?, fields.number()?);
    let completed = fields.byte()? != 0;
    let have = decode_bits(fields, bit_count)?;
    let suspect = decode_bits(fields, bit_count)?;
    let mut partial = Vec::new();
    for _ in 0..fields.number()? {
        let piece = geometry.piece(fields.number_u32()?)?;
        partial.push(Partial { piece, stored: decode_bits(fields, geometry.block_count(piece))? });
    }
    Some(Resume { have, suspect, partial, downloaded, uploaded, completed })
}

fn decode_bits(fields: &mut Fields<'_>, bit_count: u32) -> Option<Bitfield> {
    Bitfield::from_bytes(fields.take(bit_count.div_ceil(8) as usize)?, bit_count)
}
