//! Who is at the line, and who was cut off in the middle of something: another holder may take the line while
//! a person types, who need not notice and types on. What is typed then was meant for what is gone, and is no
//! command. So it is skipped, up to the line `.` that ends a text or to Ctrl-C, by which the person says that
//! they have seen it.
//!
//! Either who shares the line out says that it changes hands ([`totebox_console_protocol::control`]), or it shows: a program
//! begins with Ctrl-C and `machine`, on a line that is shared by nobody in particular, too.

use super::begun::Begun;
use super::errors::Error;
use super::input::{Interrupted, Lost, Signal};
use super::line::Ending;
use super::orchestrator::Answered;
use super::put::Stage;
use super::session::{Activity, Session};
use super::submissions::{Owed, Submission};

/// What a peer was in the middle of when it was cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Its submission: it was not told how that ended.
    put: Option<u32>,
    /// Its command: it was not told how that ended.
    command: Option<Begun>,
    /// It had typed something that was no command yet, or whose turn had not come.
    untaken: bool,
    /// It may still send what belonged to what it was at.
    sending: Option<Place>,
}

/// Where in what it sends a peer was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Between two lines.
    LineStart,
    /// Within a line: whatever its rest looks like, it is only that.
    WithinLine,
}

impl Cut {
    fn is_any(&self) -> bool {
        *self != Cut::default()
    }

    /// This one, and what the one before it is still to be told.
    fn behind(self, before: Cut) -> Cut {
        Cut {
            put: self.put.or(before.put),
            command: self.command.or(before.command),
            untaken: self.untaken || before.untaken,
            sending: self.sending,
        }
    }

    fn answered(&mut self, answered: &Answered) {
        if let Some(begun) = &mut self.command {
            begun.answered(answered);
        }
    }
}

/// The holders of the line.
#[derive(Debug, Default)]
pub struct Holders {
    /// Another holder has the line; this is what the terminal was cut off from.
    away: Option<Cut>,
    /// Flags that were announced to others meanwhile.
    flags: u32,
    here: Doubt,
}

impl Holders {
    /// The submissions whose end somebody is still to be told.
    pub(super) fn owed(&self) -> Owed {
        [self.away.and_then(|cut| cut.put), self.here.cut().and_then(|cut| cut.put)]
    }

    /// A flag was announced to whoever has the line.
    pub(super) fn flag_announced(&mut self) {
        self.flags += u32::from(self.away.is_some());
    }

    /// The orchestrator has answered something that nobody waits for any more.
    pub(super) fn answered(&mut self, answered: &Answered) {
        if let Some(cut) = &mut self.away {
            cut.answered(answered);
        }
        if let Doubt::Asked(cut) | Doubt::Cut(cut) = &mut self.here {
            cut.answered(answered);
        }
    }
}

/// Whether who is at the line was cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doubt {
    #[default]
    None,
    /// Ctrl-C came in the middle of this. Whether a person gave it up or a program took the line shows in the
    /// first command behind it.
    Asked(Cut),
    /// A program took the line; once it has gone the person may be typing on.
    Cut(Cut),
}

impl Doubt {
    fn cut(self) -> Option<Cut> {
        match self {
            Doubt::None => None,
            Doubt::Asked(cut) | Doubt::Cut(cut) => Some(cut),
        }
    }
}

/// Lines that are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The next line is the rest of one that was begun before.
    rest: bool,
    /// Nothing has come since the Ctrl-C that led here: it may be a program's, whose `machine` follows.
    fresh: bool,
}

impl Session {
    /// Something happened to the line that acts at once; `voided` is what came before it and was never taken up.
    pub(super) fn signalled(&mut self, signal: Signal, voided: Lost) {
        let (machine, cut) = (self.machine, self.cut(voided));
        let typed = match self.input.take_interrupted() {
            Interrupted::Nothing => false,
            Interrupted::End => !self.editor.is_empty(),
            Interrupted::Lines => true,
        };
        let dropped = typed && !machine && !matches!(self.activity, Activity::Away);
        if self.output.mid_line() {
            if signal == Signal::Interrupt {
                self.output.raw("^C");
            }
            self.output.end_line();
        }
        self.reset();
        self.met = true;
        if dropped {
            let text = "what was typed before Ctrl-C and not taken up was not carried out";
            self.output.error(Error::Cancelled, None, format_args!("{text}"));
        }
        match signal {
            Signal::Interrupt if machine => self.left_machine_mode(true),
            // Lines came behind a Ctrl-C that ended something, and nobody saw whether they were a program's.
            Signal::Interrupt if voided != Lost::Nothing && matches!(self.holders.here, Doubt::Asked(_)) => {
                let before = self.holders.here.cut().unwrap_or_default();
                self.holders.here = Doubt::Cut(cut.behind(before));
                self.left_machine_mode(true);
            }
            Signal::Interrupt if cut.is_any() => {
                let before = self.holders.here.cut().unwrap_or_default();
                self.holders.here = Doubt::Asked(cut.behind(before));
            }
            Signal::Interrupt => {}
            Signal::Away => {
                self.leave_terminal(cut);
                self.activity = Activity::Away;
            }
            Signal::Back(lost) => {
                self.leave_terminal(cut);
                self.output.back();
                let mut cut = self.holders.away.take().unwrap_or_default();
                match core::mem::take(&mut self.holders.flags) {
                    0 => {}
                    1 => self.output.line(format_args!("*meanwhile a flag was raised; flags shows it")),
                    flags => {
                        self.output.line(format_args!("*meanwhile {flags} flags were raised; flags shows them"))
                    }
                }
                match lost {
                    Lost::Nothing => {}
                    Lost::Lines => cut.sending = Some(Place::LineStart),
                    Lost::WithinLine => cut.sending = Some(Place::WithinLine),
                }
                self.tell_cut(cut, false);
            }
        }
    }

    /// The line hung up: as Ctrl-C. That may also have been a break on a line at which a person types on.
    pub(super) fn hung_up(&mut self) {
        let voided = self.input.clear();
        let cut = match self.holders.here {
            Doubt::Cut(before) => before,
            Doubt::Asked(_) | Doubt::None => self.cut(voided),
        };
        if self.output.mid_line() {
            self.output.end_line();
        }
        self.reset();
        self.holders = Holders::default();
        self.tell_cut(Cut { sending: cut.sending, ..Cut::default() }, false);
    }

    /// What the peer is in the middle of, if `voided` is what it sent last. A program knows by itself.
    fn cut(&self, voided: Lost) -> Cut {
        if self.machine {
            return Cut::default();
        }
        let stage = match &self.activity {
            Activity::Put(put) => Some((put.tag(), put.stage())),
            _ => None,
        };
        let skipped = match self.activity {
            Activity::Skip(skip) => Some(skip.rest),
            _ => None,
        };
        let open = skipped.is_some() || matches!(stage, Some((_, Stage::Incoming)));
        let place = match voided {
            Lost::WithinLine => Some(Place::WithinLine),
            Lost::Lines => Some(Place::LineStart),
            Lost::Nothing if !self.editor.is_empty() || skipped == Some(true) => Some(Place::WithinLine),
            Lost::Nothing if open => Some(Place::LineStart),
            Lost::Nothing => None,
        };
        let mut command = Begun::of(&self.activity, self.outbox.is_empty());
        if let (Some(begun), Some(answered)) = (&mut command, &self.answered) {
            begun.answered(answered);
        }
        Cut { put: stage.map(|(tag, _)| tag), command, untaken: place.is_some() && !open, sending: place }
    }

    /// The terminal does not have the line any more, unless it had lost it before.
    fn leave_terminal(&mut self, cut: Cut) {
        let cut = match core::mem::take(&mut self.holders.here) {
            Doubt::Cut(before) => before,
            Doubt::Asked(_) | Doubt::None => cut,
        };
        self.holders.away.get_or_insert(cut);
    }

    /// Person mode again, behind a program: by its Ctrl-C, or by `person`.
    pub(super) fn left_machine_mode(&mut self, interrupted: bool) {
        if let Doubt::Cut(cut) = self.holders.here {
            self.tell_cut(cut, interrupted);
        }
    }

    /// Who was cut off is at the line again: says what became of what they were at, and has the rest skipped.
    fn tell_cut(&mut self, cut: Cut, fresh: bool) {
        if let Some(&mut Submission { tag, link, fate, .. }) = cut.put.and_then(|tag| self.submissions.get(tag)) {
            self.output.line(format_args!("*another had the line; this became of submission {tag}:"));
            self.tell_fate(tag, link, fate, false);
        }
        if let Some(begun) = cut.command {
            self.tell_begun(begun);
        }
        if cut.untaken {
            let text = "*another had the line; what was typed before and not taken up was not carried out";
            self.output.line(format_args!("{text}"));
        }
        if let Some(place) = cut.sending {
            self.skip(place, fresh);
        }
    }

    /// From here on lines are dropped, up to a single `.` or Ctrl-C.
    pub(super) fn skip(&mut self, from: Place, fresh: bool) {
        self.output.line(format_args!("*what is typed now is skipped, up to a line with a single . or to Ctrl-C"));
        self.activity = Activity::Skip(Skip { rest: from == Place::WithinLine, fresh });
    }

    /// Nothing more of what was begun will come.
    pub(super) fn stop_skipping(&mut self) {
        self.output.error(Error::Cancelled, None, format_args!("the rest of the text is not awaited"));
    }

    /// The first prompt is about to be shown: what was typed before it was not typed to it.
    pub(super) fn meet(&mut self) {
        if core::mem::replace(&mut self.met, true) {
            return;
        }
        if matches!(self.activity, Activity::Idle) && self.cut(self.input.waiting()).sending.is_some() {
            self.skip(Place::LineStart, false);
        }
    }

    /// A line while lines are dropped; returns whether it is a program's first one.
    pub(super) fn skipped_line(&mut self, line: &[u8], ending: Ending) -> bool {
        let Activity::Skip(skip) = &mut self.activity else { return false };
        let rest = core::mem::take(&mut skip.rest);
        if line.is_empty() {
            return false;
        }
        let first = core::mem::take(&mut skip.fresh);
        if !rest && ending == Ending::Whole && line == b"." {
            self.activity = Activity::Idle;
            self.holders.here = Doubt::None;
        }
        first && !rest && line.split(|byte| *byte == b' ').next() == Some(b"machine")
    }

    /// A command is carried out. Behind a Ctrl-C it shows whose that was.
    pub(super) fn commanded(&mut self, machine: bool) {
        self.holders.here = match (self.holders.here, machine) {
            (Doubt::Asked(cut) | Doubt::Cut(cut), true) => Doubt::Cut(cut),
            // The program works on.
            (Doubt::Cut(cut), false) if self.machine => Doubt::Cut(cut),
            (_, _) => Doubt::None,
        };
    }
}
