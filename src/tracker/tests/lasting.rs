//! What the tracker keeps: in memory up to a bound, and on disk.

use super::*;

#[test]
fn memory_is_bounded() {
    let options = Options { memory_max: 100_000, ..Options::default() };
    let mut bench = Bench::with(options, Access::default());
    let announce = |bench: &mut Bench, number: u32| {
        let ask = crate::tracker::announce::Ask {
            info_hash: InfoHash([number as u8; 20]),
            peer: SocketAddr::new(std::net::Ipv4Addr::from(0x0101_0101 + number).into(), 1),
            is_seed: false,
            event: Event::None,
            numwant: 0,
            both_families: false,
            peer_id: None,
        };
        let mut rng = fastrand::Rng::with_seed(1);
        bench.tracker.announce(&ask, bench.now, &mut rng, (&mut Vec::new(), &mut Vec::new()));
    };
    (0..50_000).for_each(|number| announce(&mut bench, number));
    let (numbers, sums, _) = bench.tracker.numbers();
    assert!(sums.bytes < 102_000 && sums.leechers > 7_000, "{sums:?}");
    assert_eq!(numbers.not_stored as usize + sums.leechers, 50_000);
    // Who is in stays in.
    announce(&mut bench, 1);
    assert_eq!(bench.tracker.numbers().0.not_stored, numbers.not_stored);
}

/// What the last job saves.
fn saved(bench: &mut Bench) -> Option<Vec<u8>> {
    bench.out.commands.drain(..).find_map(|command| match command {
        Command::Job(Job::SaveFile { bytes, .. }) => Some(bytes),
        _ => None,
    })
}

#[test]
fn swarms_come_back_with_their_ages() {
    let mut bench = Bench::new();
    bench.announced(A, 0, Event::Completed);
    bench.pass(Span::secs(400));
    bench.announced(B, 9, Event::None);
    bench.announced("[2001:db8::1]:2001", 9, Event::None);
    assert_eq!(saved(&mut bench), None);
    bench.tracker.handle(bench.now, Input::Stop, &mut bench.out);
    assert!(!bench.tracker.is_stopped());
    let id = bench.tracker.saving.unwrap();
    let bytes = saved(&mut bench).unwrap();
    let stored = Completion::FileSaved { id, result: Ok(()) };
    bench.tracker.handle(bench.now, Input::Completed(stored), &mut bench.out);
    assert!(bench.tracker.is_stopped());

    let load = |bytes: &[u8], age: Span| {
        let mut bench = Bench::new();
        bench.now = Time::ZERO;
        bench.tracker.handle(bench.now, Input::Note(Note::Listening { port: 1 }), &mut bench.out);
        // Somebody is faster than the disk.
        bench.announced(B, 0, Event::None);
        let id = bench.tracker.loading.unwrap();
        let loaded = Completion::FileLoaded { id, result: Ok(Some((bytes.to_vec(), age))) };
        bench.tracker.handle(bench.now, Input::Completed(loaded), &mut bench.out);
        bench.tracker.check();
        bench
    };
    let mut back = load(&bytes, Span::secs(100));
    assert_eq!(back.counts(), (2, 1, 1));
    // The first one is 500 s old: it goes 500 s before the others.
    back.pass(Span::secs(2100));
    assert_eq!(back.counts(), (2, 1, 1));
    back.pass(Span::secs(260));
    assert_eq!(back.counts(), (1, 1, 1));
    assert_eq!(load(&bytes, Span::secs(3000)).counts(), (1, 0, 1), "too old but for the one who is here");
    for len in 0..bytes.len() {
        load(&bytes[..len], Span::ZERO);
    }
    let mut rng = fastrand::Rng::with_seed(5);
    for _ in 0..500 {
        let mut bytes = bytes.clone();
        let at = rng.usize(..bytes.len());
        bytes[at] = rng.u8(..);
        load(&bytes, Span::ZERO);
    }
}

#[test]
fn every_ten_minutes_what_changed_is_saved() {
    let mut bench = Bench::new();
    bench.announced(A, 1, Event::None);
    bench.pass(SAVE);
    assert!(saved(&mut bench).is_some());
    let id = bench.tracker.saving.unwrap();
    bench.tracker.handle(bench.now, Input::Completed(Completion::FileSaved { id, result: Ok(()) }), &mut bench.out);
    bench.pass(SAVE);
    assert_eq!(saved(&mut bench), None, "nothing happened");
    bench.announced(A, 1, Event::None);
    bench.pass(SAVE);
    assert!(saved(&mut bench).is_some());
}
