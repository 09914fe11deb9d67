//! Questions: WHO, WHOIS, WHOWAS, LIST, MONITOR, AWAY, and what the server says of itself.

use super::hall::{Hall, options};
use crate::groups::Options;

#[test]
fn who_answers_in_both_forms() {
    let mut hall = Hall::with(&["anna", "bert"]);
    hall.say("bert", "AWAY :gone");
    hall.login("carl", "");
    hall.say("carl", "MODE carl +i");
    hall.table(&[
        (
            "anna",
            "WHO #g",
            &[
                ("anna", "| 352 anna #g anna 192.0.2.1 peerlink.server anna H@ :0 Real anna"),
                ("anna", "| 352 anna #g bert 192.0.2.2 peerlink.server bert G :0 Real bert"),
                ("anna", "| 315 anna #g :End of WHO list"),
            ],
        ),
        (
            "anna",
            "WHO bert %tcuihsnfdlar,7",
            &[
                ("anna", "| 354 anna 7 #g bert 192.0.2.2 192.0.2.2 peerlink.server bert G 0 0 0 :Real bert"),
                ("anna", "| 315 anna bert :End of WHO list"),
            ],
        ),
        ("anna", "WHO 192.0.2.3", &[("anna", "| 315 anna 192.0.2.3 :End of WHO list")]),
        ("anna", "WHO #none", &[("anna", "| 315 anna #none :End of WHO list")]),
        (
            "carl",
            "WHO b*",
            &[
                ("carl", "| 352 carl #g bert 192.0.2.2 peerlink.server bert G :0 Real bert"),
                ("carl", "| 315 carl b* :End of WHO list"),
            ],
        ),
        ("anna", "WHO * o", &[("anna", "| 315 anna * :End of WHO list")]),
    ]);
}

#[test]
fn whois_and_whowas_say_who_somebody_is_or_was() {
    let mut hall = Hall::with(&["anna", "bert"]);
    hall.say("bert", "AWAY :gone");
    hall.say("bert", "MODE bert +B");
    hall.table(&[
        (
            "anna",
            "WHOIS bert",
            &[
                ("anna", "| 311 anna bert bert 192.0.2.2 * :Real bert"),
                ("anna", "| 319 anna bert :#g"),
                ("anna", "| 312 anna bert peerlink.server :peerlink"),
                ("anna", "| 335 anna bert :is a program"),
                ("anna", "| 301 anna bert :gone"),
                ("anna", "| 317 anna bert 0 1795176000 :seconds idle, signon time"),
                ("anna", "| 318 anna bert :End of /WHOIS list"),
            ],
        ),
        (
            "anna",
            "WHOIS nobody",
            &[("anna", "| 401 anna nobody :No such nick/channel"), ("anna", "| 318 anna nobody :End of /WHOIS list")],
        ),
        ("anna", "WHOIS", &[("anna", "| 431 anna :No nickname given")]),
        ("anna", "WHOIS other.server bert", &[("anna", "| 402 anna other.server :No such server")]),
        (
            "anna",
            "WHOWAS carl",
            &[("anna", "| 406 anna carl :There was no such nickname"), ("anna", "| 369 anna carl :End of WHOWAS")],
        ),
    ]);
    hall.hang_up("bert");
    hall.table(&[(
        "anna",
        "WHOWAS BERT",
        &[
            ("anna", "| 314 anna bert bert 192.0.2.2 * :Real bert"),
            ("anna", "| 312 anna bert peerlink.server :2026-11-20 12:00:00 UTC"),
            ("anna", "| 369 anna BERT :End of WHOWAS"),
        ],
    )]);
}

#[test]
fn groups_are_listed_by_conditions() {
    let mut hall = Hall::with(&["anna", "bert"]);
    hall.say("anna", "JOIN #other");
    hall.say("anna", "JOIN #secret");
    hall.say("anna", "MODE #secret +s");
    hall.say("anna", "TOPIC #other :about");
    let listed = |hall: &mut Hall, who: &str, line: &str| {
        let lines = hall.ask(who, line);
        assert!(lines[0].contains(" 321 ") && lines.last().unwrap().contains(" 323 "), "{lines:?}");
        let rows = lines.iter().filter(|line| line.contains(" 322 "));
        rows.map(|line| line.split(' ').nth(3).unwrap().to_string()).collect::<Vec<_>>().join(" ")
    };
    for (line, found) in [
        ("LIST", "#g #other"),
        ("LIST #g", "#g"),
        ("LIST #G,#other,#none", "#g #other"),
        ("LIST *the*", "#other"),
        ("LIST !*the*", "#g"),
        ("LIST >1", "#g"),
        ("LIST <2", "#other"),
        ("LIST C<10,T<10", "#other"),
        ("LIST C>10", ""),
    ] {
        assert_eq!(listed(&mut hall, "bert", line), found, "{line}");
    }
    assert_eq!(listed(&mut hall, "anna", "LIST"), "#g #other #secret");
    assert!(hall.ask("bert", "LIST #other").contains(&":peerlink.server 322 bert #other 1 :about".into()));
}

#[test]
fn watched_nicks_are_told_of() {
    let mut hall = Hall::with(&["anna"]);
    hall.table(&[
        (
            "anna",
            "MONITOR + bert,anna,1bad",
            &[("anna", "| 730 anna :anna!anna@192.0.2.1"), ("anna", "| 731 anna :bert")],
        ),
        ("anna", "MONITOR L", &[("anna", "| 732 anna :anna,bert"), ("anna", "| 733 anna :End of MONITOR list")]),
    ]);
    hall.login("Bert", "");
    assert_eq!(hall.got("anna"), [":peerlink.server 730 anna :Bert!Bert@192.0.2.2"]);
    hall.say("Bert", "NICK carl");
    assert_eq!(hall.got("anna"), [":peerlink.server 731 anna :Bert"]);
    hall.say("Bert", "NICK bert");
    assert_eq!(hall.got("anna"), [":peerlink.server 730 anna :bert!Bert@192.0.2.2"]);
    hall.hang_up("Bert");
    assert_eq!(hall.got("anna"), [":peerlink.server 731 anna :bert"]);
    hall.say("anna", "MONITOR - bert");
    hall.login("bert", "");
    assert_eq!(hall.got("anna"), [""; 0]);
    let many: Vec<String> = (0..130).map(|number| format!("n{number}")).collect();
    let mut told = Vec::new();
    for some in many.chunks(50) {
        told.extend(hall.ask("anna", &format!("MONITOR + {}", some.join(","))));
    }
    assert_eq!(told.last().unwrap(), ":peerlink.server 734 anna 128 n127,n128,n129 :Monitor list is full");
    assert_eq!(hall.ask("anna", "MONITOR C"), [""; 0]);
    assert_eq!(hall.ask("anna", "MONITOR S"), [""; 0]);
}

#[test]
fn absence_and_names_are_told_to_those_who_want_to_know() {
    let mut hall = Hall::with(&["anna", "bert"]);
    hall.login("carl", "away-notify setname");
    hall.say("carl", "JOIN #g");
    hall.table(&[
        (
            "anna",
            "AWAY :lunch",
            &[
                ("anna", "| 306 anna :You have been marked as being away"),
                ("carl", ":anna!anna@192.0.2.1 AWAY :lunch"),
            ],
        ),
        (
            "bert",
            "PRIVMSG anna :hi",
            &[("anna", ":bert!bert@192.0.2.2 PRIVMSG anna :hi"), ("bert", "| 301 bert anna :lunch")],
        ),
        ("bert", "USERHOST anna nobody bert", &[("bert", "| 302 bert :anna=-anna@192.0.2.1 bert=+bert@192.0.2.2")]),
        ("bert", "ISON ANNA nobody bert", &[("bert", "| 303 bert :anna bert")]),
        (
            "anna",
            "AWAY",
            &[("anna", "| 305 anna :You are no longer marked as being away"), ("carl", ":anna!anna@192.0.2.1 AWAY")],
        ),
        ("anna", "SETNAME :Anna A.", &[("carl", ":anna!anna@192.0.2.1 SETNAME :Anna A.")]),
        ("carl", "SETNAME :C", &[("carl", ":carl!carl@192.0.2.3 SETNAME :C")]),
        ("carl", "SETNAME :", &[("carl", "| NOTICE carl :SETNAME: A real name has 1 to 128 bytes")]),
    ]);
}

#[test]
fn the_server_says_what_it_is() {
    let mut hall = Hall::new(Options { motd: vec!["be kind".into()], ..options() });
    hall.login("anna", "");
    hall.table(&[
        (
            "anna",
            "MOTD",
            &[
                ("anna", "| 375 anna :- peerlink.server Message of the day - "),
                ("anna", "| 372 anna :- be kind"),
                ("anna", "| 376 anna :End of /MOTD command."),
            ],
        ),
        ("anna", "MOTD nowhere.else", &[("anna", "| 402 anna nowhere.else :No such server")]),
        ("anna", "TIME", &[("anna", "| 391 anna peerlink.server 1795176000 0 :2026-11-20 12:00:00 UTC")]),
        ("anna", "HELP nonsense", &[("anna", "| 524 anna nonsense :No help available on this topic")]),
    ]);
    assert!(hall.ask("anna", "VERSION")[0].starts_with(":peerlink.server 351 anna peerlink-"));
    assert!(hall.ask("anna", "INFO").last().unwrap().contains(" 374 anna "));
    let help = hall.ask("anna", "HELP");
    assert!(help[0].contains(" 704 anna * :") && help.last().unwrap().contains(" 706 anna * :"));
    assert!(hall.ask("anna", "LUSERS")[0].ends_with(" 251 anna :There are 1 users and 0 invisible on 1 servers"));
}
