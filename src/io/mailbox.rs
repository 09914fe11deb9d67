//! The mailbox: completions on their way from the workers to the loop, and the rules of waking it.
//!
//! Waking without loss: the sender does `send; if !woken.swap(true) { wake }`, the loop does `woken.swap(false)`
//! *before* draining. A [`Completion::Home`] alone wakes only a starving loop, which says so *before* it looks into
//! the mailbox and polls: whichever of "message in" and "starving set" comes first, the other side sees it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use crossbeam_channel::{Receiver, Sender as Channel, TrySendError, bounded, unbounded};
use mio::Waker;

use super::resident::Lent;
use crate::machine::Completion;

/// What a worker sends.
#[derive(Debug)]
pub struct Letter {
    pub completion: Completion,
    /// The file that was read from.
    pub lent: Option<Lent>,
}

/// Wakes the loop out of its poll, at most once per turn.
#[derive(Debug)]
pub struct Bell {
    woken: AtomicBool,
    starving: AtomicBool,
    waker: Waker,
}

impl Bell {
    /// A bell that rings this waker.
    pub fn new(waker: Waker) -> Bell {
        Bell { woken: AtomicBool::new(false), starving: AtomicBool::new(false), waker }
    }

    /// Wakes the loop. To be called after what it shall see was put in place.
    pub fn ring(&self) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        while let Err(error) = self.waker.wake() {
            if error.kind() != io::ErrorKind::Interrupted {
                // The loop still looks into the mailbox at its next deadline.
                log::error!("cannot wake the loop: {error}");
                return;
            }
        }
    }
}

/// The loop's end.
#[derive(Debug)]
pub struct Mailbox {
    receiver: Receiver<Letter>,
    posted: Receiver<Completion>,
    bell: Arc<Bell>,
}

/// A worker's end.
#[derive(Clone, Debug)]
pub struct Sender {
    channel: Channel<Letter>,
    posted: Channel<Completion>,
    bell: Arc<Bell>,
}

/// A mailbox for at most `slots` completions; the bell rings the loop that drains it.
pub fn mailbox(bell: Arc<Bell>, slots: usize) -> (Sender, Mailbox) {
    let (channel, receiver) = bounded(slots.max(1));
    let (post, posted) = unbounded();
    (Sender { channel, posted: post, bell: Arc::clone(&bell) }, Mailbox { receiver, posted, bell })
}

impl Sender {
    /// Puts a completion into the mailbox, waiting while it is full. False when the loop has ended.
    pub fn send(&self, completion: Completion) -> bool {
        self.send_lending(completion, None)
    }

    /// The same with a file that the loop may read from.
    pub fn send_lending(&self, completion: Completion, lent: Option<Lent>) -> bool {
        let urgent = !matches!(completion, Completion::Home { .. });
        let sent = match self.channel.try_send(Letter { completion, lent }) {
            Ok(()) => true,
            Err(TrySendError::Full(letter)) => {
                // Full of letters that nobody was woken for: without this ring both sides could wait.
                self.bell.ring();
                self.channel.send(letter).is_ok()
            }
            Err(TrySendError::Disconnected(_)) => false,
        };
        fence(Ordering::SeqCst);
        if urgent || self.bell.starving.load(Ordering::SeqCst) {
            self.bell.ring();
        }
        sent
    }

    /// Puts a completion into a box of its own that has no bound but that of the jobs asked for, and never waits:
    /// for answers that may be given by the loop itself.
    pub fn post(&self, completion: Completion) {
        if self.posted.send(completion).is_ok() {
            self.bell.ring();
        }
    }
}

impl Mailbox {
    /// To be called right before each poll: says whether the loop is starving, then looks. When true comes back
    /// there is mail, and the poll must not wait.
    pub fn before_poll(&self, starving: bool) -> bool {
        self.bell.starving.store(starving, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        !self.receiver.is_empty() || !self.posted.is_empty()
    }

    /// To be called right after each poll, before [`Mailbox::take`].
    pub fn after_poll(&self) {
        self.bell.woken.swap(false, Ordering::AcqRel);
        self.bell.starving.store(false, Ordering::SeqCst);
    }

    /// The next completion, if there is one.
    pub fn take(&self) -> Option<Letter> {
        let posted = || self.posted.try_recv().map(|completion| Letter { completion, lent: None });
        self.receiver.try_recv().or_else(|_| posted()).ok()
    }
}

/// A waker for a poll of one's own; only the loop and tests have one.
///
/// # Errors
/// When the operating system gives no descriptor.
pub fn waker(poll: &mio::Poll, token: mio::Token) -> io::Result<Waker> {
    Waker::new(poll.registry(), token)
}
