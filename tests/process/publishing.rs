//! `index`, `publish`, `unpublish`, `seed --publish` and `get NAME` against a real `serve`.

use super::index::torrent;
use super::rig::{Ended, Home, Running, payload};
use super::serve::serve;

/// A server and the words that name it.
fn group(home: &Home, more: &[&str]) -> (Running, String) {
    let (running, port) = serve(home, &[&["--state-dir", &home.text("server")], more].concat());
    (running, format!("127.0.0.1:{port}"))
}

fn end(running: Running) {
    running.signal("TERM");
    assert_eq!(running.wait().expect(0).err, "");
}

/// The columns of the lines below the head.
fn rows(ended: &Ended) -> Vec<Vec<&str>> {
    ended
        .out
        .lines()
        .skip(1)
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect()
}

#[test]
fn torrents_are_published_listed_and_taken_back() {
    let home = Home::new();
    let (running, at) = group(&home, &[]);
    let server = ["--server", at.as_str()];
    let file = home.write("film.torrent", &torrent("A film", 3));
    let said = home.run(&["publish", &file, "--description", "with words", server[0], server[1]]).expect(0);
    assert_eq!(said.out, format!("published A film as number 1 of {at}\n"));
    let again = home.run(&["publish", &file, server[0], server[1]]).expect(0);
    assert_eq!(again.out, format!("published already: A film as number 1 of {at}\n"));
    home.run_with_stdin(&["publish", "-", server[0], server[1]], &torrent("Second", 1)).expect(0);

    let all = home.run(&["index", server[0], server[1]]).expect(0);
    let names: Vec<&str> = rows(&all).iter().map(|row| row[1]).collect();
    assert_eq!((all.out.split_whitespace().next(), names), (Some("NUMBER"), vec!["Second", "A film"]));
    let found = home.run(&["index", "FILM", "words", server[0], server[1]]).expect(0);
    assert_eq!(rows(&found).len(), 1);
    assert_eq!(home.run(&["index", "nothing", server[0], server[1]]).expect(0).out, "");
    let json = home.run(&["index", "film", "-j", server[0], server[1]]).expect(0).out;
    assert!(
        json.starts_with("{\"number\":1,\"name\":\"A film\",\"info_hash\":\"") && json.lines().count() == 1,
        "{json}"
    );

    // Another person has no token.
    let other = home.run(&["unpublish", "1", server[0], server[1], "--state-dir", &home.text("other")]).expect(1);
    assert!(other.one_line().contains("--oper"));
    home.run(&["unpublish", "a film", server[0], server[1]]).expect(0);
    home.run(&["unpublish", "2", server[0], server[1]]).expect(0);
    assert!(
        home.run(&["unpublish", "2", server[0], server[1]]).expect(3).one_line().contains("nothing of that name")
    );
    assert!(
        home.run(&["unpublish", &"a".repeat(40), server[0], server[1], "--oper", "a:b"])
            .expect(3)
            .one_line()
            .contains(&at)
    );
    end(running);
}

#[test]
fn passwords_guard_the_index() {
    let home = Home::new();
    let (running, at) = group(&home, &["--publish-by", "password", "--password", "sesame", "--oper", "ann:boss"]);
    let file = home.write("a.torrent", &torrent("a", 1));
    let publish = |more: &[&str]| home.run(&[&["publish", &file, "--server", &at], more].concat());
    assert!(publish(&[]).expect(1).one_line().contains("needs a password"));
    assert!(publish(&["--password", "x"]).expect(1).one_line().contains("not the password"));
    publish(&["--password", "sesame"]).expect(0);
    let other = home.text("other");
    let take = |oper: &str| home.run(&["unpublish", "a", "--server", &at, "--state-dir", &other, "--oper", oper]);
    take("ann:x").expect(1);
    take("ann:boss").expect(0);
    end(running);
}

#[test]
fn what_cannot_work_has_one_line_and_its_code() {
    let home = Home::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = free.local_addr().expect("its address").to_string();
    drop(free);
    let file = home.write("a.torrent", &torrent("a", 1));
    for args in [vec!["index"], vec!["publish", &file], vec!["unpublish", "a"], vec!["get", "some name"]] {
        let ended = home.run(&[args, vec!["--server", &at]].concat()).expect(6);
        assert!(ended.one_line().contains("is `peerlink serve` running there?"), "{}", ended.err);
    }
    home.write("data", b"x");
    let data = home.text("data");
    home.run(&["seed", &data, "--publish", "--server", &at, "--no-dht", "--port", "0"]).expect(6);
    assert!(home.run(&["seed", &data, "--publish"]).expect(2).one_line().contains("--server"));
    assert!(home.run(&["get", "some name"]).expect(3).one_line().contains("--server"));
    assert!(home.run(&["index", "--server", "a:b"]).expect(2).one_line().contains("HOST:PORT"));
    home.run(&["publish", &data, "--server", &at]).expect(3);
    let no_password = home.run(&["serve", "--publish-by", "password", "--bind", "127.0.0.1:0"]).expect(2);
    assert!(no_password.one_line().contains("--password"));
}

#[test]
fn what_is_seeded_and_published_is_got_by_name_number_and_hash() {
    let home = Home::new();
    let (running, at) = group(&home, &[]);
    let bytes = payload(300_000, 7);
    home.write("share/holidays.bin", &bytes);
    let file = home.text("share/holidays.bin");
    let mut seed = home.start(&[
        "seed",
        &file,
        "--publish",
        "--server",
        &at,
        "--bind",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dht",
        "--state-dir",
        &home.text("seed"),
        "--json",
    ]);
    seed.line_after("\"event\":\"complete\"");
    let listed = home.run(&["index", "-j", "--server", &at]).expect(0).out;
    let hash = listed.split("\"info_hash\":\"").nth(1).expect("listed")[..40].to_string();
    // Nobody names a peer: the server's tracker does.
    let on_loopback = "--bind 127.0.0.1 --port 0 --no-dht --timeout 60s";
    let here = (".", "holidays.bin");
    // What lies there already is no other thing that is meant: the last goes on with what the one before has brought.
    for (to, what) in [("by-name", "holidays.bin"), ("by-number", "1"), ("by-hash", &hash), here, here] {
        let (dir, state) = (home.text(to), home.text(&format!("{to}-state")));
        let mut args = vec!["get", what, "--server", &at, "--dir", &dir, "--state-dir", &state];
        args.extend(on_loopback.split(' '));
        home.run(&args).expect(0);
        assert!(home.read(&format!("{to}/holidays.bin")) == bytes, "{what}");
    }
    let listed = home.run(&["index", "-j", "--server", &at]).expect(0).out;
    assert!(listed.contains("\"seeds\":1"), "the tracker counts the seed: {listed}");
    // Its tracker is the server's.
    let url = format!("http://{at}/torrents/{hash}.torrent");
    assert!(home.run(&["show", &url]).expect(0).out.contains(&format!("http://{at}/announce")));
    let made = home.run(&["create", &file, "-o", "-", "--server", &at]).expect(0).out;
    assert!(made.contains(&format!("http://{at}/announce")));
    seed.signal("TERM");
    seed.wait();
    end(running);
}

#[test]
fn private_torrents_are_not_listed_and_can_be_fetched() {
    let home = Home::new();
    let (running, at) = group(&home, &[]);
    home.write("secret.bin", &payload(1000, 1));
    let file = home.text("secret.torrent");
    home.run(&["create", &home.text("secret.bin"), "--private", "-o", &file, "--server", &at]).expect(0);
    let said = home.run(&["publish", &file, "--server", &at]).expect(0).out;
    let url = said.split("private: ").nth(1).expect("a link").trim();
    assert_eq!(home.run(&["index", "--server", &at]).expect(0).out, "");
    assert!(home.run(&["show", url]).expect(0).out.contains("secret.bin"));
    let absent = home.run(&["get", "secret", "--server", &at]).expect(3);
    assert!(absent.one_line().contains("nothing of that name"));
    end(running);
}
