//! A small world: people who talk, hang up and come back, a server that is killed, and a disk that tears what was
//! written last; whatever was acknowledged is neither lost nor doubled nor out of order.

use std::collections::BTreeMap;

use super::hall::{Hall, options};
use crate::base::Span;
use crate::groups::{Kept, Options};

const CAPS: &str = "batch message-tags server-time echo-message draft/chathistory";
const PEOPLE: [&str; 5] = ["anna", "bert", "carl", "dora", "emil"];
const GROUPS: [&str; 3] = ["#a", "#b", "#c"];
const SEEDS: u64 = 60;
const STEPS: usize = 400;

/// What one person knows.
#[derive(Default)]
struct Person {
    is_here: bool,
    /// The number of its next message, and the one that was not acknowledged yet, with its group.
    next: u32,
    unsure: Option<(u32, &'static str)>,
    /// Acknowledged messages: the group, and the number.
    acked: Vec<(&'static str, u32)>,
    /// What it heard of others, in order: by group and sender.
    heard: BTreeMap<(String, String), Vec<u32>>,
}

struct World {
    hall: Hall,
    rng: fastrand::Rng,
    people: BTreeMap<&'static str, Person>,
    kills: u32,
}

fn keeping() -> Options {
    Options { history: Some(Kept { len: 4 << 20, age: Span::ZERO }), flood_per_s: 0, ..options() }
}

impl World {
    fn new(seed: u64) -> World {
        let people = PEOPLE.map(|name| (name, Person::default())).into();
        World { hall: Hall::new(keeping()), rng: fastrand::Rng::with_seed(seed), people, kills: 0 }
    }

    fn step(&mut self) {
        let name = PEOPLE[self.rng.usize(..PEOPLE.len())];
        match self.rng.u32(..100) {
            0..2 => self.kill(),
            2..6 => self.hang_up(name),
            6..20 => self.hall.is_stuck = !self.hall.is_stuck,
            20..30 => self.hall.pass(Span::millis(self.rng.u64(..3000))),
            _ => self.talk(name),
        }
        if !self.hall.is_stuck {
            self.hall.work();
        }
        self.listen();
    }

    /// Comes in where it is not here, sends again what it is not sure of, else something new.
    fn talk(&mut self, name: &'static str) {
        if !self.people[name].is_here {
            self.hall.login(name, CAPS);
            self.hall.say(name, "JOIN #a,#b,#c");
        }
        let person = self.people.get_mut(name).unwrap();
        person.is_here = true;
        let (number, group) = *person.unsure.get_or_insert_with(|| {
            person.next += 1;
            (person.next, GROUPS[self.rng.usize(..GROUPS.len())])
        });
        self.hall.say(name, &format!("@+peerlink/id={name}.{number} PRIVMSG {group} :{number}"));
    }

    fn hang_up(&mut self, name: &'static str) {
        let person = self.people.get_mut(name).unwrap();
        if std::mem::take(&mut person.is_here) {
            self.hall.hang_up(name);
        }
    }

    /// SIGKILL: what the disk was not asked for yet is gone, and so is what was not sent.
    fn kill(&mut self) {
        self.kills += 1;
        let hall = std::mem::replace(&mut self.hall, Hall::new(keeping()));
        let mut hall = hall;
        // The job under way may just have been done, in part or not at all.
        if let Some(crate::machine::Job::Append { bytes, .. }) = hall.jobs.first() {
            let len = self.rng.usize(..=bytes.len());
            hall.file.extend_from_slice(&bytes[..len]);
        }
        self.hall = hall.restart(keeping());
        self.people.values_mut().for_each(|person| person.is_here = false);
    }

    /// Everybody reads.
    fn listen(&mut self) {
        for (name, person) in self.people.iter_mut().filter(|(_, person)| person.is_here) {
            for line in self.hall.got(name) {
                let Some((_, said)) = line.split_once(" PRIVMSG ") else { continue };
                let sender = line.split(" :").nth(1).unwrap().split('!').next().unwrap();
                let (group, number) = said.split_once(" :").unwrap();
                let number: u32 = number.parse().unwrap();
                if sender == *name {
                    if person.unsure.is_some_and(|(unsure, _)| unsure == number) {
                        let (_, group) = person.unsure.take().unwrap();
                        person.acked.push((group, number));
                    }
                } else {
                    person.heard.entry((group.into(), sender.into())).or_default().push(number);
                }
            }
        }
    }

    /// What is in the history of a group, by sender.
    fn history(&mut self, group: &str) -> BTreeMap<String, Vec<u32>> {
        let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut from = "timestamp=1970-01-01T00:00:00Z".to_string();
        loop {
            let lines = self.hall.ask("reader", &format!("CHATHISTORY AFTER {group} {from} 200"));
            if lines.len() == 2 {
                return found;
            }
            for line in &lines[1..lines.len() - 1] {
                let sender = line.split(" :").nth(1).unwrap().split('!').next().unwrap();
                let number = line.rsplit(':').next().unwrap().parse().unwrap();
                found.entry(sender.into()).or_default().push(number);
                let id = line.split("msgid=").nth(1).unwrap().split([';', ' ']).next().unwrap();
                from = format!("msgid={id}");
            }
        }
    }

    fn judge(&mut self, seed: u64) {
        self.hall.is_stuck = false;
        self.hall.work();
        self.listen();
        self.hall.login("reader", CAPS);
        self.hall.say("reader", "JOIN #a,#b,#c");
        for group in GROUPS {
            let history = self.history(group);
            for (name, person) in &self.people {
                let kept = history.get(*name).cloned().unwrap_or_default();
                assert!(kept.is_sorted_by(|one, next| one < next), "seed {seed}: {name} in {group}: {kept:?}");
                for (_, number) in person.acked.iter().filter(|(in_group, _)| *in_group == group) {
                    assert!(kept.contains(number), "seed {seed}: {number} of {name} in {group} is lost");
                }
                for ((_, sender), heard) in person.heard.iter().filter(|((heard_in, _), _)| heard_in == group) {
                    assert!(
                        heard.is_sorted_by(|one, next| one < next),
                        "seed {seed}: {name} hears {sender}: {heard:?}"
                    );
                    let kept = &history[sender];
                    assert!(heard.iter().all(|number| kept.contains(number)), "seed {seed}: heard and not kept");
                }
            }
        }
    }
}

#[test]
fn what_was_acknowledged_is_neither_lost_nor_doubled_nor_out_of_order() {
    let (mut kills, mut acked) = (0, 0);
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        world.judge(seed);
        kills += world.kills;
        acked += world.people.values().map(|person| person.acked.len()).sum::<usize>();
    }
    assert!(kills > 100 && acked > 5000, "{kills} kills, {acked} messages: this proves nothing");
}
