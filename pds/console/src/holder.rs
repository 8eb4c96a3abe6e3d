//! Who is at the line, and who was cut off in the middle of something: another holder may take the line while
//! a person types, who need not notice and types on. What is typed then was meant for what is gone, and is no
//! command. So it is skipped, up to the line `.` that ends a text or to Ctrl-C, by which the person says that
//! they have seen it.
//!
//! Either who shares the line out says that it changes hands ([`totebox_console_protocol::control`]), or it shows: a program
//! begins with Ctrl-C and `machine`, on a line that is shared by nobody in particular, too.

use super::activity::{Activity, Left};
use super::commands::put::Stage;
use super::input::{Lost, Signal};
use super::orchestrator::Answered;
use super::receipts::tell_fate;
use super::skip::Place;
use super::submissions::{Owed, Submission};
use super::work::Work;

/// What a peer was in the middle of when it was cut off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cut {
    /// Its submission: it was not told how that ended.
    put: Option<u32>,
    /// Its command: it was not told how that ended.
    command: Option<Left>,
    /// It had typed something that was no command yet, or whose turn had not come.
    untaken: bool,
    /// It may still send what belonged to what it was at.
    sending: Option<Place>,
}

impl Cut {
    /// What the peer is in the middle of, if `voided` is what it sent last. A program knows by itself.
    pub fn of(work: &Work, is_typing: bool, voided: Lost) -> Cut {
        if work.context.machine() {
            return Cut::default();
        }
        let stage = match &work.activity {
            Activity::Put(put) => Some((put.tag(), put.stage())),
            _ => None,
        };
        let skipped = match &work.activity {
            Activity::Skip(skip) => Some(skip.place()),
            _ => None,
        };
        let open = skipped.is_some() || matches!(stage, Some((_, Stage::Incoming)));
        let place = match voided {
            Lost::WithinLine => Some(Place::WithinLine),
            Lost::Lines => Some(Place::LineStart),
            Lost::Nothing if is_typing || skipped == Some(Place::WithinLine) => Some(Place::WithinLine),
            Lost::Nothing if open => Some(Place::LineStart),
            Lost::Nothing => None,
        };
        Cut {
            put: stage.map(|(tag, _)| tag),
            command: work.activity.left(&work.context),
            untaken: place.is_some() && !open,
            sending: place,
        }
    }

    fn is_any(&self) -> bool {
        self.put.is_some() || self.command.is_some() || self.untaken || self.is_sending()
    }

    /// Whether more of what the peer was at may come.
    pub fn is_sending(&self) -> bool {
        self.sending.is_some()
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

    /// Who was cut off is at the line again: says what became of what they were at, and has the rest skipped. `fresh`
    /// is whether a Ctrl-C has just come, after which a program's `machine` may follow.
    pub fn tell(self, fresh: bool, work: &mut Work) {
        let context = &mut work.context;
        if let Some(&mut Submission { tag, link, fate, .. }) =
            self.put.and_then(|tag| context.submissions.get(tag))
        {
            context.output.line(format_args!("*another had the line; this became of submission {tag}:"));
            tell_fate(tag, link, fate, false, context);
        }
        if let Some(left) = self.command {
            left.tell(context);
        }
        if self.untaken {
            let text = "*another had the line; what was typed before and not taken up was not carried out";
            context.output.line(format_args!("{text}"));
        }
        if let Some(place) = self.sending {
            work.skip(place, fresh);
        }
    }
}

#[derive(Debug, Default)]
pub struct Holders {
    /// Another holder has the line; this is what the terminal was cut off from.
    away: Option<Cut>,
    /// Flags that were announced to others meanwhile.
    flags: u32,
    here: Doubt,
}

/// Whether who is at the line was cut off.
#[derive(Clone, Copy, Debug, Default)]
enum Doubt {
    #[default]
    None,
    /// Ctrl-C came in the middle of this. Whether a person gave it up or a program took the line shows in the
    /// first command after it.
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

impl Holders {
    /// The submissions whose end somebody is still to be told.
    pub fn owed(&self) -> Owed {
        [self.away.and_then(|cut| cut.put), self.here.cut().and_then(|cut| cut.put)]
    }

    /// A flag was announced to whoever has the line.
    pub fn flag_announced(&mut self) {
        self.flags += u32::from(self.away.is_some());
    }

    /// How many flags were announced to others while the terminal did not have the line.
    pub fn take_flags(&mut self) -> u32 {
        core::mem::take(&mut self.flags)
    }

    /// The orchestrator has answered something.
    pub fn answered(&mut self, answered: &Answered) {
        let here = match &mut self.here {
            Doubt::Asked(cut) | Doubt::Cut(cut) => Some(cut),
            Doubt::None => None,
        };
        let cuts = self.away.iter_mut().chain(here);
        cuts.filter_map(|cut| cut.command.as_mut()).for_each(|left| left.answered(answered));
    }

    /// A signal came, before which the line was in machine mode or not, and cut this off; `voided` is what came before
    /// it and was never taken up. Returns what who is now at the line is to be told.
    pub fn signalled(&mut self, signal: Signal, voided: Lost, machine: bool, cut: Cut) -> Option<Cut> {
        let before = self.here.cut().unwrap_or_default();
        match signal {
            Signal::Interrupt if machine => self.program_left(),
            // Lines came after a Ctrl-C that ended something, and nobody saw whether they were a program's.
            Signal::Interrupt if voided != Lost::Nothing && matches!(self.here, Doubt::Asked(_)) => {
                self.here = Doubt::Cut(cut.behind(before));
                self.program_left()
            }
            Signal::Interrupt => {
                if cut.is_any() {
                    self.here = Doubt::Asked(cut.behind(before));
                }
                None
            }
            Signal::Away => {
                self.leave_terminal(cut);
                None
            }
            Signal::Back(lost) => {
                self.leave_terminal(cut);
                let mut cut = self.away.take().unwrap_or_default();
                match lost {
                    Lost::Nothing => {}
                    Lost::Lines => cut.sending = Some(Place::LineStart),
                    Lost::WithinLine => cut.sending = Some(Place::WithinLine),
                }
                Some(cut)
            }
        }
    }

    /// The terminal does not have the line any more, unless it had lost it before.
    fn leave_terminal(&mut self, cut: Cut) {
        let cut = match core::mem::take(&mut self.here) {
            Doubt::Cut(before) => before,
            Doubt::Asked(_) | Doubt::None => cut,
        };
        self.away.get_or_insert(cut);
    }

    /// The line hung up and cut this off: nobody knows who is at it now, and all that is told is that more may come.
    pub fn hung_up(&mut self, cut: Cut) -> Cut {
        let cut = match core::mem::take(self).here {
            Doubt::Cut(before) => before,
            Doubt::Asked(_) | Doubt::None => cut,
        };
        Cut { sending: cut.sending, ..Cut::default() }
    }

    /// Person mode again, after a program: by its Ctrl-C, or by `person`. Returns what the person is to be told.
    pub fn program_left(&self) -> Option<Cut> {
        match self.here {
            Doubt::Cut(cut) => Some(cut),
            Doubt::Asked(_) | Doubt::None => None,
        }
    }

    /// The person has ended the text from which they were cut off.
    pub fn text_ended(&mut self) {
        self.here = Doubt::None;
    }

    /// A command is carried out: `machine`, or another one. Behind a Ctrl-C it shows whose that was. `by_program` is
    /// whether the line is in machine mode.
    pub fn commanded(&mut self, is_machine: bool, by_program: bool) {
        self.here = match (self.here, is_machine) {
            (Doubt::Asked(cut) | Doubt::Cut(cut), true) => Doubt::Cut(cut),
            // The program works on.
            (Doubt::Cut(cut), false) if by_program => Doubt::Cut(cut),
            (_, _) => Doubt::None,
        };
    }
}
