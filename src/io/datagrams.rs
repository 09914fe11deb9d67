//! Datagrams in batches: one system call brings up to [`SLOTS`] of them, one takes the answers away.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg, sendmmsg};

use crate::machine::Datagrams;

/// Datagrams per system call.
pub const SLOTS: usize = 32;

/// The kernel's lists, kept between calls.
pub struct Post {
    v4: Lists<SockaddrIn>,
    v6: Lists<SockaddrIn6>,
    /// From whom, and how many bytes in each slot; None where the datagram did not fit.
    found: Vec<(SocketAddr, Option<usize>)>,
}

struct Lists<S> {
    incoming: MultiHeaders<S>,
    outgoing: MultiHeaders<S>,
}

impl<S: SockaddrLike + Copy> Lists<S> {
    fn new() -> Lists<S> {
        Lists { incoming: MultiHeaders::preallocate(SLOTS, None), outgoing: MultiHeaders::preallocate(SLOTS, None) }
    }
}

impl Default for Post {
    fn default() -> Post {
        Post { v4: Lists::new(), v6: Lists::new(), found: Vec::with_capacity(SLOTS) }
    }
}

impl Post {
    /// Takes what waits, each datagram into an equal part of `scratch`, and hands them to `each`. How many there were;
    /// [`SLOTS`] means that more may wait.
    ///
    /// # Errors
    /// Nothing waits (`WouldBlock`), or what an earlier datagram of ours met with.
    pub fn receive(
        &mut self,
        fd: RawFd,
        is_v4: bool,
        scratch: &mut [u8],
        mut each: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<usize> {
        let part = scratch.len() / SLOTS;
        self.found.clear();
        if is_v4 {
            let address = |from: SockaddrIn| SocketAddr::V4(from.into());
            take(fd, &mut self.v4.incoming, scratch, part, address, &mut self.found)?;
        } else {
            let address = |from: SockaddrIn6| SocketAddr::V6(from.into());
            take(fd, &mut self.v6.incoming, scratch, part, address, &mut self.found)?;
        }
        for ((from, len), slot) in self.found.iter().zip(scratch.chunks(part)) {
            if let Some(bytes) = len.and_then(|len| slot.get(..len)) {
                each(*from, bytes);
            }
        }
        Ok(self.found.len())
    }

    /// Sends what was gathered and is of the socket's family. A full socket buffer drops the rest like any router on
    /// the way would.
    pub fn send(&mut self, fd: RawFd, is_v4: bool, datagrams: &Datagrams) {
        if is_v4 {
            let all = datagrams.iter().filter_map(|(to, bytes)| match to {
                SocketAddr::V4(to) => Some((SockaddrIn::from(to), bytes)),
                SocketAddr::V6(to) => {
                    let v4 = to.ip().to_ipv4_mapped()?;
                    Some((SockaddrIn::from(SocketAddrV4::new(v4, to.port())), bytes))
                }
            });
            give(fd, &mut self.v4.outgoing, all);
        } else {
            let is_v6 = |to: SocketAddrV6| to.ip().to_ipv4_mapped().is_none();
            let all = datagrams.iter().filter_map(|(to, bytes)| match to {
                SocketAddr::V6(to) if is_v6(to) => Some((SockaddrIn6::from(to), bytes)),
                _ => None,
            });
            give(fd, &mut self.v6.outgoing, all);
        }
    }
}

fn take<S: SockaddrLike + Copy>(
    fd: RawFd,
    headers: &mut MultiHeaders<S>,
    scratch: &mut [u8],
    part: usize,
    address: impl Fn(S) -> SocketAddr,
    found: &mut Vec<(SocketAddr, Option<usize>)>,
) -> io::Result<()> {
    let mut parts = scratch.chunks_mut(part);
    let mut slots: [[IoSliceMut<'_>; 1]; SLOTS] =
        std::array::from_fn(|_| [IoSliceMut::new(parts.next().unwrap_or_default())]);
    for message in recvmmsg(fd, headers, &mut slots, MsgFlags::MSG_DONTWAIT, None)? {
        let Some(from) = message.address else { continue };
        let is_whole = !message.flags.contains(MsgFlags::MSG_TRUNC);
        found.push((address(from), is_whole.then_some(message.bytes)));
    }
    Ok(())
}

fn give<'a, S: SockaddrLike + Copy>(
    fd: RawFd,
    headers: &mut MultiHeaders<S>,
    mut all: impl Iterator<Item = (S, &'a [u8])>,
) {
    loop {
        let mut addresses = [None; SLOTS];
        let mut slices = [[IoSlice::new(&[])]; SLOTS];
        let mut count = 0;
        for (to, bytes) in all.by_ref().take(SLOTS) {
            addresses[count] = Some(to);
            slices[count] = [IoSlice::new(bytes)];
            count += 1;
        }
        if count == 0 {
            return;
        }
        let mut at = 0;
        while at < count {
            let sent = sendmmsg(fd, headers, &slices[at..count], &addresses[at..count], [], MsgFlags::MSG_DONTWAIT);
            match sent.map(Iterator::count) {
                Ok(sent) if sent > 0 => at += sent,
                Err(Errno::EAGAIN | Errno::ENOBUFS) => return,
                // Nobody can be reached there; the others can.
                Ok(_) | Err(_) => at += 1,
            }
        }
    }
}
