//! Goodbyes to UDP trackers played by hand.

use super::udp_tests::{URL, announced, one, reply, world};
use super::*;
use crate::wire::udp_tracker::Answer;

#[test]
fn completion_goes_before_the_goodbye() {
    // It is complete more than a minute after it began, so the tracker has to be connected to anew, and it ends at
    // once: the tracker hears of both.
    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    let put = w.connect(&connect, 1);
    w.answer(&put, &reply(&[]));
    w.facts.left = 0;
    w.now += Span::secs(70);
    w.announcer.complete(w.now);
    let connect = one(w.poll().1);
    w.announcer.stop(w.now);
    assert_eq!(w.poll().1, []);
    let put = w.connect(&connect, 2);
    assert_eq!(announced(&put).event, Event::Completed);
    w.answer(&put, &reply(&[]));
    let put = one(w.poll().1);
    assert_eq!((announced(&put).event, put.1.connection), (Event::Stopped, 2));
    w.answer(&put, &reply(&[]));
    assert!(w.announcer.is_quiet());
}

#[test]
fn a_tracker_that_fell_silent_is_given_up_soon() {
    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    let put = w.connect(&connect, 1);
    w.answer(&put, &reply(&[]));
    w.sleep();
    while w.announcer.trouble().is_none() {
        w.sleep();
    }
    w.announcer.stop(w.now);
    let before = w.now;
    w.poll();
    while !w.announcer.is_quiet() {
        w.sleep();
    }
    assert_eq!(w.now - before, Span::secs(1));
}

#[test]
fn goodbyes_are_repeated_and_end_in_time() {
    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    let put = w.connect(&connect, 1);
    w.answer(&put, &reply(&[]));
    // A regular announce is under way and unanswered: the goodbye does not wait for it.
    let (_, _, put) = w.sleep();
    one(put);
    w.announcer.stop(w.now);
    let mut spans = Vec::new();
    let mut sent = w.poll().1.len();
    while !w.announcer.is_quiet() {
        let (span, _, put) = w.sleep();
        spans.push(span);
        sent += put.len();
    }
    assert_eq!(spans, [Span::millis(500); 3]);
    assert_eq!(sent, 3);
    assert_eq!(w.announcer.next_deadline(), None);
}

#[test]
fn answers_may_take_longer_than_the_wait_before_it_asks_again() {
    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    let put = w.connect(&connect, 1);
    w.answer(&put, &reply(&[]));
    w.now += Span::secs(70);
    w.announcer.stop(w.now);
    let connect = one(w.poll().1);
    assert_eq!(one(w.wait(Span::millis(500))), connect);
    w.now += Span::millis(100);
    let put = w.connect(&connect, 2);
    assert_eq!(announced(&put).event, Event::Stopped);
    assert_eq!(one(w.wait(Span::millis(500))), put);
    w.answer(&put, &reply(&[]));
    assert!(w.announcer.is_quiet());

    // With a connection that may be worn out both ways are open.
    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    let put = w.connect(&connect, 1);
    w.answer(&put, &reply(&[]));
    w.announcer.stop(w.now);
    let put = one(w.poll().1);
    assert_eq!(announced(&put).event, Event::Stopped);
    let connect = one(w.wait(Span::millis(500)));
    assert_eq!(w.answer(&put, &Answer::Failed("who are you".into())), None);
    assert_eq!(w.answer(&connect, &reply(&[])), None, "no answer to a connect");
    w.answer(&put, &reply(&[]));
    assert!(w.announcer.is_quiet());
}

#[test]
fn stopping_waits_only_for_those_that_may_know_us() {
    let mut w = world(&[&[URL]]);
    w.start();
    w.announcer.stop(w.now);
    assert!(w.announcer.is_quiet(), "it was never told of us");

    let mut w = world(&[&[URL]]);
    let connect = one(w.start());
    let put = w.connect(&connect, 1);
    w.announcer.stop(w.now);
    assert_eq!(w.poll().1, []);
    assert!(!w.announcer.is_quiet());
    w.answer(&put, &reply(&[]));
    let put = one(w.poll().1);
    assert_eq!(announced(&put).event, Event::Stopped);
    w.answer(&put, &Answer::Failed("whatever".into()));
    // The connection was an earlier one's: it is made anew once, then any answer ends it.
    let connect = one(w.questions());
    let put = w.connect(&connect, 2);
    w.answer(&put, &Answer::Failed("whatever".into()));
    assert!(w.announcer.is_quiet());
}
