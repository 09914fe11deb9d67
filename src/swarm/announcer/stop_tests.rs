//! Goodbyes, to trackers played by hand.

use super::goodbye::STOP_RETRY;
use super::tests::{NONE, OK, reply, world};
use super::*;

#[test]
fn stopping_gives_up_in_time() {
    let mut w = world(&[&["a"], &["b"], &["c"]]);
    w.start();
    w.answer("a started", OK);
    w.answer("b started", OK);
    w.poll();
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), ["a stopped", "b stopped"], "c never answered");
    w.fail("a stopped");
    assert_eq!(w.poll(), NONE);
    // `b` hangs, `c` answers its `started` after all.
    w.answer("c started", OK);
    assert_eq!(w.poll(), ["c stopped"]);
    w.end("c stopped", Ok(reply(500, b"", "9.9.9.9:80")));
    assert_eq!(w.sleep(), (STOP_RETRY, vec!["a stopped".into()]));
    w.answer("a stopped", OK);
    assert!(!w.announcer.is_quiet());
    let (waited, asked) = w.sleep();
    assert_eq!((waited, asked), (Span::millis(1000), vec![]));
    assert!(w.announcer.is_quiet());
    let late = w.take("b stopped");
    assert_eq!(w.announcer.on_fetched(w.now, late.id, Err("late".into()), &mut w.rng), None);
}

#[test]
fn stopping_before_anything_was_answered_is_quiet_after_its_time() {
    let mut w = world(&[&["a"]]);
    w.start();
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), NONE);
    assert!(!w.announcer.is_quiet());
    w.fail("a started");
    assert!(w.announcer.is_quiet());

    let mut w = world(&[]);
    w.start();
    w.announcer.stop(w.now);
    assert!(w.announcer.is_quiet() && w.announcer.is_empty());
}

/// Running, known to these, with nothing under way.
fn known(tiers: &[&[&str]]) -> super::tests::World {
    let mut w = world(tiers);
    let asked = w.start();
    asked.iter().for_each(|asked| drop(w.answer(asked, OK)));
    assert_eq!(w.poll(), NONE);
    w
}

#[test]
fn nobody_listens_any_more() {
    let mut w = known(&[&["a"]]);
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), ["a stopped"]);
    w.fail("a stopped");
    assert_eq!(w.poll(), NONE);
    assert_eq!(w.sleep(), (STOP_RETRY, vec!["a stopped".into()]));
    assert_eq!(w.fail("a stopped").said, None, "no news at the end");
    assert!(w.announcer.is_quiet(), "twice is enough");
    assert_eq!(w.poll(), NONE);
    assert_eq!(w.announcer.next_deadline(), None);
}

#[test]
fn a_tracker_that_was_silent_before_gets_half_the_time_and_no_second_chance() {
    let mut w = known(&[&["a"], &["b"]]);
    w.sleep();
    w.fail("a regular");
    w.answer("b regular", OK);
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), ["a stopped", "b stopped"]);
    assert_eq!((w.waiting[0].timeout, w.waiting[1].timeout), (Span::secs(1), limits::STOP_TIMEOUT));
    w.answer("b stopped", OK);
    assert!(!w.announcer.is_quiet());
    w.fail("a stopped");
    assert!(w.announcer.is_quiet());
}

#[test]
fn who_refused_the_last_announce_is_there() {
    let mut w = known(&[&["a"]]);
    w.sleep();
    w.answer("a regular", b"d14:failure reason4:busye");
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), ["a stopped"]);
    assert_eq!(w.waiting[0].timeout, limits::STOP_TIMEOUT);
    w.answer("a stopped", b"d14:failure reason4:busye");
    assert!(w.announcer.is_quiet(), "any answer ends it");
}

#[test]
fn completion_goes_before_the_goodbye() {
    let mut w = known(&[&["a"]]);
    w.facts.left = 0;
    w.announcer.complete(w.now);
    assert_eq!(w.poll(), ["a completed"]);
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), NONE);
    w.answer("a completed", OK);
    assert_eq!(w.poll(), ["a stopped"]);
    w.answer("a stopped", OK);
    assert!(w.announcer.is_quiet());

    // Both are owed when the tracker answers its `started` at last.
    let mut w = world(&[&["a"]]);
    w.start();
    w.announcer.complete(w.now);
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), NONE);
    w.answer("a started", OK);
    assert_eq!(w.poll(), ["a completed"]);
    assert_eq!(w.waiting[0].timeout, Span::secs(1));
    w.fail("a completed");
    assert_eq!(w.poll(), ["a stopped"], "one try, for there is no more time");
}

#[test]
fn a_goodbye_waits_for_slow_answers_only_so_long() {
    let mut w = known(&[&["a"], &["b"]]);
    w.facts.left = 0;
    w.announcer.complete(w.now);
    assert_eq!(w.poll(), ["a completed", "b completed"]);
    w.answer("b completed", OK);
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), ["b stopped"]);
    let late = w.waiting[0].clone();
    assert_eq!(w.sleep(), (Span::secs(1), vec!["a stopped".into()]));
    let (id, ok) = (late.id, Ok(reply(200, OK, "9.9.9.9:80")));
    assert_eq!(w.announcer.on_fetched(w.now, id, ok, &mut w.rng), None, "it comes too late to matter");
    w.answer("a stopped", OK);
    w.answer("b stopped", OK);
    assert!(w.announcer.is_quiet());

    // A regular announce that hangs is not waited for.
    let mut w = known(&[&["a"]]);
    assert_eq!(w.sleep().1, ["a regular"]);
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), ["a stopped"]);
}
