//! What actors do on their own, without being asked.

use peerlink::base::{ConnId, Span};

use crate::actor::{Action, Actor, Cx, Habit};
use crate::codec::{Msg, Range};

impl Actor {
    /// How often it acts on its own.
    pub fn period(&self) -> Span {
        match self.habit {
            Habit::SlowLoris { .. } => Span::secs(1),
            Habit::Flood => Span::millis(150),
            Habit::Flapper | Habit::Asker | Habit::Greedy => Span::millis(250),
            _ => Span::millis(900),
        }
    }

    pub fn tick(&mut self, cx: &mut Cx<'_>) {
        self.redial(cx);
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for conn in conns {
            match self.habit {
                Habit::SlowLoris { .. } => self.drip(cx, conn),
                Habit::Late(_) => self.serve_late(cx, conn),
                Habit::Flood => self.flood(cx, conn),
                Habit::Flapper => self.flap(cx, conn),
                Habit::Garbage(way) => self.say_garbage(cx, conn, way),
                Habit::Asker | Habit::Greedy => self.ask(cx, conn),
                Habit::Says(number) => self.say(cx, conn, number),
                _ => {}
            }
        }
    }

    fn redial(&mut self, cx: &mut Cx<'_>) {
        let dialled = self.sessions.values().filter(|session| session.dialled).count() as u32;
        for at in 0..self.dials.len() {
            let to = self.dials[at];
            let wanted = self.copies * self.dials.len() as u32;
            let tries = self.dialling.entry(to).or_default();
            if dialled < wanted && self.dials_left > 0 && *tries < 4 * self.copies {
                *tries += 1;
                self.dials_left -= 1;
                cx.actions.push(Action::Dial(to));
            }
        }
    }

    fn serve_late(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
        let session = self.sessions.get_mut(&conn).expect("open");
        session.ticks += 1;
        while session.late.front().is_some_and(|(tick, _)| *tick <= session.ticks)
            && let Some((_, range)) = session.late.pop_front()
        {
            session.wanted.push_back(range);
        }
        self.serve(cx, conn, usize::MAX);
    }

    fn drip(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
        let session = self.sessions.get_mut(&conn).expect("open");
        if session.drip.is_empty()
            && let Some(range) = session.wanted.pop_front()
        {
            let start =
                self.made.metainfo.geometry.piece_len() as usize * range.index as usize + range.begin as usize;
            let payload = self.made.content[start..start + range.len as usize].to_vec();
            session.drip.extend(Msg::Piece { index: range.index, begin: range.begin, payload }.encode());
        }
        if let Some(byte) = session.drip.pop_front() {
            cx.actions.push(Action::Send(conn, vec![byte]));
        }
    }

    fn flood(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
        if !self.sessions[&conn].shaken {
            return;
        }
        let geometry = self.made.metainfo.geometry;
        for _ in 0..cx.rng.u32(1..12) {
            let index = cx.rng.u32(..geometry.piece_count());
            let range = Range { index, begin: 0, len: 1 + cx.rng.u32(..16_384).min(geometry.piece_len() / 2) };
            let msg = match cx.rng.u8(..11) {
                0 => Msg::Have(index),
                1 => Msg::Interested,
                2 => Msg::NotInterested,
                3 => Msg::KeepAlive,
                4 => Msg::Request(range),
                5 => Msg::Cancel(range),
                6 => Msg::Piece { index, begin: 0, payload: vec![7; range.len as usize] },
                7 => Msg::Choke,
                8 => Msg::Unchoke,
                9 => Msg::Extended(cx.rng.u8(..4), b"d1:pi6881ee".to_vec()),
                _ => Msg::Other(cx.rng.u8(21..), vec![1; 40]),
            };
            cx.say(conn, msg);
        }
    }

    fn flap(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
        let piece_count = self.made.metainfo.geometry.piece_count();
        let session = self.sessions.get_mut(&conn).expect("open");
        if !session.shaken {
            return;
        }
        if session.told < piece_count {
            session.told += 1;
            cx.say(conn, Msg::Have(session.told - 1));
        }
        if session.open && cx.rng.bool() {
            session.open = false;
            let wanted = std::mem::take(&mut session.wanted);
            let fast = session.fast;
            cx.say(conn, Msg::Choke);
            for range in wanted.into_iter().filter(|_| fast) {
                cx.say(conn, Msg::Reject(range));
            }
        } else if session.open {
            self.serve(cx, conn, 2);
        } else {
            session.open = true;
            cx.say(conn, Msg::Unchoke);
        }
    }

    fn say_garbage(&mut self, cx: &mut Cx<'_>, conn: ConnId, way: u8) {
        let piece_count = self.made.metainfo.geometry.piece_count();
        let session = self.sessions.get_mut(&conn).expect("open");
        if !session.shaken || session.said_garbage {
            return;
        }
        session.said_garbage = true;
        let range = Range { index: piece_count, begin: 0, len: 16_384 };
        match way {
            0 => {
                let noise = (0..200).map(|_| cx.rng.u8(..)).collect();
                cx.actions.push(Action::Send(conn, noise));
            }
            1 => cx.actions.push(Action::Send(conn, vec![0x7f, 0xff, 0xff, 0xff, 7, 0, 0])),
            4 => cx.say(conn, Msg::Have(piece_count)),
            5 => cx.say(conn, Msg::Request(range)),
            6 => cx.say(conn, Msg::Piece { index: piece_count, begin: 5, payload: vec![0; 100] }),
            9 => cx.say(conn, Msg::Bitfield(vec![0; piece_count.div_ceil(8) as usize])),
            _ => {}
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
        let geometry = self.made.metainfo.geometry;
        let session = self.sessions.get_mut(&conn).expect("open");
        let is_greedy = self.habit == Habit::Greedy;
        let (most, at_once) = if is_greedy { (80, 80) } else { (20, cx.rng.u32(..4)) };
        if !session.shaken || session.asked.len() > most || (is_greedy && session.choked) {
            return;
        }
        for _ in 0..at_once {
            let piece = geometry.piece(cx.rng.u32(..geometry.piece_count())).expect("in range");
            let block = geometry.block_number(piece, cx.rng.u32(..geometry.block_count(piece))).expect("in range");
            let range = Range { index: piece.index(), begin: block.begin(), len: block.len() };
            if !session.asked.contains(&range) {
                session.asked.push(range);
                cx.say(conn, Msg::Request(range));
                if !is_greedy && cx.rng.u8(..5) == 0 {
                    cx.say(conn, Msg::Cancel(range));
                    if !session.fast {
                        session.asked.pop();
                    }
                }
            }
        }
    }
}
