//! Tiers, of trackers played by hand.

use super::tests::{NONE, OK, world};
use super::*;

#[test]
fn a_tier_fails_over_and_the_one_that_answers_moves_to_the_front() {
    let mut w = world(&[&["a", "b", "c"]]);
    let first = w.start()[0].clone();
    w.fail(&first);
    let second = w.poll()[0].clone();
    assert_ne!(first, second);
    w.answer(&second, OK);
    assert_eq!(w.poll(), NONE);
    let front = second.replace("started", "regular");
    let (waited, asked) = w.sleep();
    assert_eq!((waited, asked), (Span::secs(1800), vec![front.clone()]));
    // It fails in turn: the one behind it, that never answered, is told `started`.
    w.fail(&front);
    assert_eq!(w.poll(), std::slice::from_ref(&first));
    w.answer(&first, OK);
    // Goodbye to both that know of us, not to the third.
    w.announcer.stop(w.now);
    let mut goodbyes = w.poll();
    goodbyes.sort();
    let mut expected = vec![first.replace("started", "stopped"), second.replace("started", "stopped")];
    expected.sort();
    assert_eq!(goodbyes, expected);
}

#[test]
fn the_one_that_took_over_stays_until_it_fails_too() {
    let mut w = world(&[&["a", "b"], &["c"]]);
    let asked = w.start();
    let first = asked[0].replace(" started", "");
    let second = if first == "a" { "b" } else { "a" };
    assert_eq!(asked[1], "c started", "the other tier does not wait");
    w.answer("c started", OK);
    w.answer(&format!("{first} started"), OK);
    w.sleep();
    w.fail(&format!("{first} regular"));
    w.answer("c regular", OK);
    assert_eq!(w.poll(), [format!("{second} started")]);
    w.answer(&format!("{second} started"), OK);
    // The first one is well again, and is not asked while the second is.
    for _ in 0..3 {
        let (waited, mut asked) = w.sleep();
        asked.sort();
        assert_eq!((waited, &asked[..]), (Span::secs(1800), &[format!("{second} regular"), "c regular".into()][..]));
        asked.iter().for_each(|asked| drop(w.answer(asked, OK)));
    }
    w.sleep();
    w.fail(&format!("{second} regular"));
    w.answer("c regular", OK);
    assert_eq!(w.poll(), [format!("{first} regular")], "it knows us still");
    w.answer(&format!("{first} regular"), OK);
    let (_, mut asked) = w.sleep();
    asked.sort();
    assert_eq!(asked, [format!("{first} regular"), "c regular".into()]);
}

#[test]
fn a_tier_told_of_completion_is_not_told_again_by_another_of_its_trackers() {
    let mut w = world(&[&["a", "b"]]);
    let first = w.start()[0].replace(" started", "");
    let second = if first == "a" { "b" } else { "a" };
    w.answer(&format!("{first} started"), OK);
    w.announcer.complete(w.now);
    w.poll();
    w.answer(&format!("{first} completed"), OK);
    w.sleep();
    w.fail(&format!("{first} regular"));
    assert_eq!(w.poll(), [format!("{second} started")]);
    w.answer(&format!("{second} started"), OK);
    assert_eq!(w.poll(), NONE);
}

#[test]
fn all_tiers_are_in_use_a_few_at_a_time() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let tiers: Vec<&[&str]> = names.iter().map(std::slice::from_ref).collect();
    let mut w = world(&tiers);
    assert_eq!(w.start(), ["a started", "b started", "c started", "d started"]);
    assert_eq!(w.announcer.next_deadline(), None);
    w.fail("b started");
    assert_eq!(w.poll(), ["e started"]);
    for name in ["a", "c", "d", "e"] {
        w.answer(&format!("{name} started"), OK);
    }
    assert_eq!(w.poll(), ["f started"]);
    w.answer("f started", OK);
    assert_eq!(w.announcer.trouble(), None, "one that fails is no trouble while others work");
}

#[test]
fn on_demand_every_tracker_is_told_all() {
    let tiers = [
        vec!["http://a.example/announce".into(), "http://b.example/announce".into()],
        vec!["http://c.example/announce".into()],
    ];
    let mut w = world(&[]);
    w.announcer = Announcer::new(tiers.to_vec(), true, &mut w.rng);
    let all = |event: &str| ["a", "b", "c"].map(|name| format!("{name} {event}"));
    assert_eq!(w.start(), all("started"));
    all("started").iter().for_each(|asked| drop(w.answer(asked, OK)));
    w.announcer.complete(w.now);
    assert_eq!(w.poll(), all("completed"));
    all("completed").iter().for_each(|asked| drop(w.answer(asked, OK)));
    assert_eq!(w.sleep().1, all("regular"));
    w.announcer.stop(w.now);
    assert_eq!(w.poll(), all("stopped"));
}

#[test]
fn tiers_are_shuffled_within_and_bounded() {
    let tier: Vec<String> = (0..300).map(|n| format!("http://t{n}.example/")).collect();
    let order = |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let announcer = Announcer::new(vec![tier.clone(), vec!["http://last.example/".into()]], false, &mut rng);
        assert_eq!(announcer.tiers.len(), 1, "the bound holds over all tiers");
        announcer.tiers[0].trackers.iter().map(|tracker| tracker.number).collect::<Vec<_>>()
    };
    assert_eq!(order(1).len(), limits::TRACKERS);
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}
