//! The mailbox: no letter is slept through, whoever comes first, however small the box.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use peerlink::base::{JobId, StoreId, TorrentId};
use peerlink::io::mailbox::{self, Bell, Mailbox, Sender};
use peerlink::machine::Completion;

use super::script::LONG;

const STORE: StoreId = StoreId { torrent: TorrentId(0), epoch: 0 };
/// A poll that sleeps this long slept through a letter.
const ASLEEP: Duration = Duration::from_secs(5);

fn lazy() -> Completion {
    Completion::Home { store: STORE, blocks: Vec::new() }
}

fn urgent() -> Completion {
    Completion::Resolved { id: JobId(1), result: Ok(Vec::new()) }
}

fn new(slots: usize) -> (Poll, Sender, Mailbox) {
    let poll = Poll::new().unwrap();
    let bell = Arc::new(Bell::new(mailbox::waker(&poll, Token(0)).unwrap()));
    let (sender, mailbox) = mailbox::mailbox(bell, slots);
    (poll, sender, mailbox)
}

/// One turn of a loop: false if it slept until `patience` was over.
fn turn(poll: &mut Poll, mailbox: &Mailbox, starving: bool, patience: Duration) -> bool {
    let mut events = Events::with_capacity(4);
    let has_mail = mailbox.before_poll(starving);
    poll.poll(&mut events, Some(if has_mail { Duration::ZERO } else { patience })).unwrap();
    mailbox.after_poll();
    has_mail || !events.is_empty()
}

/// Many letters from several threads in every mixture of pauses; the loop never sleeps while one waits.
fn no_letter_is_slept_through(slots: usize, starving: bool, letter: fn(usize) -> Completion) {
    const SENDERS: usize = 3;
    const EACH: usize = 20_000;
    let (mut poll, sender, mailbox) = new(slots);
    let threads: Vec<_> = (0..SENDERS)
        .map(|number| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut rng = fastrand::Rng::with_seed(number as u64);
                for at in 0..EACH {
                    assert!(sender.send(letter(at)));
                    for _ in 0..rng.usize(..200) {
                        std::hint::spin_loop();
                    }
                    if rng.u8(..) == 0 {
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    drop(sender);
    let mut count = 0;
    let begin = Instant::now();
    while count < SENDERS * EACH {
        assert!(turn(&mut poll, &mailbox, starving, ASLEEP), "slept with {count} letters read");
        assert!(begin.elapsed() < LONG * 2);
        while mailbox.take().is_some() {
            count += 1;
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(!mailbox.before_poll(false));
}

#[test]
fn urgent_letters_always_wake() {
    no_letter_is_slept_through(1, false, |_| urgent());
    no_letter_is_slept_through(64, false, |_| urgent());
}

#[test]
fn lazy_letters_wake_a_starving_loop() {
    no_letter_is_slept_through(1, true, |_| lazy());
    no_letter_is_slept_through(64, true, |_| lazy());
}

/// With lazy letters only, a box that is full wakes a loop that is not starving: else both sides would wait.
#[test]
fn a_full_box_wakes_anyone() {
    let (mut poll, sender, mailbox) = new(4);
    let thread = std::thread::spawn(move || (0..10_000).for_each(|_| assert!(sender.send(lazy()))));
    let mut count = 0;
    while count < 9_990 {
        assert!(turn(&mut poll, &mailbox, false, ASLEEP), "slept with {count} letters read");
        while mailbox.take().is_some() {
            count += 1;
        }
    }
    // The last few may lie in the box without a ring.
    while count < 10_000 {
        turn(&mut poll, &mailbox, true, Duration::from_millis(10));
        count += std::iter::from_fn(|| mailbox.take()).count();
    }
    thread.join().unwrap();
}

/// A single lazy letter lets a loop that is not starving sleep on, and is there at its next look.
#[test]
fn a_lazy_letter_does_not_wake_a_loop_that_can_wait() {
    let (mut poll, sender, mailbox) = new(4);
    assert!(sender.send(lazy()));
    let mut events = Events::with_capacity(4);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty(), "woken for nothing");
    assert!(mailbox.before_poll(false));
    assert!(mailbox.take().is_some());
    assert!(sender.send(urgent()));
    poll.poll(&mut events, Some(ASLEEP)).unwrap();
    assert!(!events.is_empty());
}

#[test]
fn posted_letters_never_wait_for_room() {
    let (mut poll, sender, mailbox) = new(1);
    (0..1000).for_each(|_| sender.post(urgent()));
    assert!(turn(&mut poll, &mailbox, false, ASLEEP));
    assert_eq!(std::iter::from_fn(|| mailbox.take()).count(), 1000);
    drop(mailbox);
    assert!(!sender.send(urgent()), "nobody is there any more");
}
