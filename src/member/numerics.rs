//! Numeric replies, as far as they matter here.

use super::Member;
use super::link::Phase;
use crate::base::Time;
use crate::machine::{ChatNews, Outbox};
use crate::wire::irc::Line;

impl Member {
    pub(super) fn numeric(&mut self, number: &str, line: &Line<'_>, now: Time, out: &mut Outbox) {
        let param = |at: usize| line.param(at).unwrap_or_default();
        match number {
            "001" => self.welcomed(line, now),
            "005" => {
                let last = line.params().len().saturating_sub(1);
                line.params().iter().take(last).skip(1).for_each(|token| self.support.token(token));
            }
            // The end of the message of the day, or that there is none.
            "376" | "422" => self.ready(now, out),
            "331" => self.on_topic(param(1), "", None, out),
            "332" => self.on_topic(param(1), param(2), None, out),
            "353" => self.on_names(param(2), line.last().unwrap_or_default()),
            "366" => self.on_names_end(param(1), out),
            "352" => self.on_who(line),
            "315" => self.on_who_end(param(1), out),
            "322" => self.on_list(line),
            "323" => self.on_list_end(out),
            "432" | "433" | "436" | "437" => self.nick_refused(line, now, out),
            "403" | "405" | "471" | "473" | "474" | "475" | "476" | "477" => self.join_or_line_refused(line, out),
            "464" | "465" if !self.is_ready() => self.unwelcome(line, out),
            "401" | "402" | "404" | "407" | "413" | "414" | "417" | "531" => self.refused_or_said(line, out),
            "421" if param(1).eq_ignore_ascii_case("CAP") => {}
            number if number.starts_with(['4', '5']) => self.said_by_server(line, out),
            _ => {}
        }
    }

    /// An error about a group that was to be joined, or that was spoken to.
    fn join_or_line_refused(&mut self, line: &Line<'_>, out: &mut Outbox) {
        let (group, why) = (line.param(1).unwrap_or_default(), line.last().unwrap_or_default());
        if !self.join_refused(group, why, out) {
            self.refused_or_said(line, out);
        }
    }

    /// An error about what we said to somebody, or about something else.
    fn refused_or_said(&mut self, line: &Line<'_>, out: &mut Outbox) {
        if !self.line_refused(line, line.param(1).unwrap_or_default(), out) {
            self.said_by_server(line, out);
        }
    }

    /// A wrong password, or a ban: what the server says with it is the reason.
    fn unwelcome(&mut self, line: &Line<'_>, out: &mut Outbox) {
        if matches!(self.link.phase, Phase::Registering { .. }) {
            let why = line.last().unwrap_or_default().to_string();
            self.link.farewell = Some(why.clone());
            self.tell(ChatNews::Unwelcome { why }, out);
        }
    }

    /// Something that a person should read: what it is about, and what is said of it.
    fn said_by_server(&mut self, line: &Line<'_>, out: &mut Outbox) {
        let count = line.params().len();
        let about = line.params().get(1..count.saturating_sub(1)).unwrap_or_default().join(" ");
        let said = line.last().unwrap_or_default();
        let text = if about.is_empty() { said.to_string() } else { format!("{about}: {said}") };
        self.tell(ChatNews::Server { text }, out);
    }
}
