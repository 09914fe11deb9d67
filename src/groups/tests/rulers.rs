//! Invitations, kicks, and operators of the server.

use super::hall::{Hall, options};
use crate::base::Span;
use crate::groups::Options;

#[test]
fn the_invited_come_in() {
    let mut hall = Hall::with(&["anna", "bert"]);
    hall.login("carl", "");
    hall.say("anna", "MODE #g +i");
    hall.table(&[
        ("carl", "JOIN #g", &[("carl", "| 473 carl #g :Cannot join channel (+i)")]),
        ("bert", "INVITE carl #g", &[("bert", "| 482 bert #g :You're not channel operator")]),
        ("carl", "INVITE bert #g", &[("carl", "| 442 carl #g :You're not on that channel")]),
        ("anna", "INVITE bert #g", &[("anna", "| 443 anna bert #g :is already on channel")]),
        ("anna", "INVITE nobody #g", &[("anna", "| 401 anna nobody :No such nick/channel")]),
        ("anna", "INVITE carl #none", &[("anna", "| 403 anna #none :No such channel")]),
        (
            "anna",
            "INVITE carl #g",
            &[("anna", "| 341 anna carl #g"), ("carl", ":anna!anna@192.0.2.1 INVITE carl #g")],
        ),
        ("carl", "INVITE", &[("carl", "| 336 carl #g"), ("carl", "| 337 carl :End of /INVITE list")]),
    ]);
    assert!(hall.ask("carl", "JOIN #g").iter().any(|line| line.ends_with("JOIN #g")));
    hall.say("carl", "PART #g");
    assert!(hall.ask("carl", "JOIN #g")[0].contains(" 473 "), "an invitation counts once");
}

#[test]
fn the_kicked_are_out() {
    let mut hall = Hall::with(&["anna", "bert", "carl"]);
    let kick = ":anna!anna@192.0.2.1 KICK #g bert :enough";
    hall.table(&[
        ("bert", "KICK #g anna", &[("bert", "| 482 bert #g :You're not channel operator")]),
        ("anna", "KICK #g", &[("anna", "| 461 anna KICK :Not enough parameters")]),
        ("anna", "KICK #g nobody", &[("anna", "| 401 anna nobody :No such nick/channel")]),
        ("anna", "KICK #g bert :enough", &[("anna", kick), ("bert", kick), ("carl", kick)]),
        ("anna", "KICK #g bert", &[("anna", "| 441 anna bert #g :They aren't on that channel")]),
        (
            "anna",
            "KICK #g anna,carl",
            &[
                ("anna", ":anna!anna@192.0.2.1 KICK #g anna :anna"),
                ("carl", ":anna!anna@192.0.2.1 KICK #g anna :anna"),
                ("carl", ":anna!anna@192.0.2.1 KICK #g carl :anna"),
            ],
        ),
    ]);
    assert_eq!(hall.groups.numbers().2, 0);
}

#[test]
fn operators_have_a_password_and_a_last_word() {
    let opers = vec![("root".to_string(), "secret".to_string())];
    let mut hall = Hall::new(Options { opers, flood_per_s: 100, ..options() });
    for name in ["anna", "bert", "carl"] {
        hall.login(name, "");
        hall.say(name, "JOIN #g");
    }
    hall.table(&[
        ("anna", "KILL bert :x", &[("anna", "| 481 anna :Permission Denied- You're not an IRC operator")]),
        (
            "anna",
            "OPER root secret",
            &[("anna", "| 381 anna :You are now an IRC operator"), ("anna", ":anna!anna@192.0.2.1 MODE anna :+o")],
        ),
        ("anna", "WALLOPS :all well", &[("anna", ":anna!anna@192.0.2.1 WALLOPS :all well")]),
        ("anna", "KILL nobody :x", &[("anna", "| 401 anna nobody :No such nick/channel")]),
        (
            "anna",
            "KILL bert :spam",
            &[
                ("anna", ":bert!bert@192.0.2.2 QUIT :Killed (anna (spam))"),
                ("carl", ":bert!bert@192.0.2.2 QUIT :Killed (anna (spam))"),
                ("bert", ":anna!anna@192.0.2.1 KILL bert :spam"),
                ("bert", "ERROR :Closing link: (192.0.2.2) [Killed (anna (spam))]"),
            ],
        ),
    ]);
    for _ in 0..2 {
        assert_eq!(hall.ask("carl", "OPER root wrong"), [":peerlink.server 464 carl :Password incorrect"]);
        hall.pass(Span::secs(40));
        hall.say("carl", "PING x");
    }
    assert!(hall.ask("carl", "OPER root wrong")[1].ends_with("[Too many wrong passwords]"));
}
