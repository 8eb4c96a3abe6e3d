//! Who is at the line, and who was cut off in the middle of something. Another holder may take the line while a person
//! types, and the person may not notice and type on. That text was meant for something that is gone, and must never
//! be taken for a command. So it is skipped, up to the line `.` that ends a text, or up to Ctrl-C, by which the person
//! says that they have noticed.
//!
//! Whoever shares the line out may announce that it changes hands ([`totebox_console_protocol::control`]). On a line
//! where nobody announces it, it is recognised: a program begins with Ctrl-C and `machine`.

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
    /// Its submission, whose end it was not told.
    put: Option<u32>,
    /// Its command, whose end it was not told.
    command: Option<Left>,
    /// It had typed something that was not carried out yet.
    untaken: bool,
    /// It may still send the rest of what it was sending, from this place on.
    sending: Option<Place>,
}

impl Cut {
    /// What the peer is in the middle of; `voided` is what it sent last. Nothing for a program: it knows.
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

    /// Whether the peer may still send the rest of something.
    pub fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// This cut, together with what an earlier one left to be told.
    fn behind(self, before: Cut) -> Cut {
        Cut {
            put: self.put.or(before.put),
            command: self.command.or(before.command),
            untaken: self.untaken || before.untaken,
            sending: self.sending,
        }
    }

    /// Tells the person, who is at the line again, what became of what they were doing, and has the rest skipped.
    /// `fresh` says that a Ctrl-C has just come, after which a program's `machine` may follow.
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
    /// What the terminal was cut off from, while another holder has the line.
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
    /// Ctrl-C came in the middle of this; the next command shows whether from a person or a program.
    Asked(Cut),
    /// A program took the line. When it has gone, the person may be typing on.
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
    /// The submissions whose end somebody must still be told.
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

    pub fn answered(&mut self, answered: &Answered) {
        let here = match &mut self.here {
            Doubt::Asked(cut) | Doubt::Cut(cut) => Some(cut),
            Doubt::None => None,
        };
        let cuts = self.away.iter_mut().chain(here);
        cuts.filter_map(|cut| cut.command.as_mut()).for_each(|left| left.answered(answered));
    }

    /// Takes a signal that ended what is in `cut`. `untaken` says that something came before it that was never
    /// handled, and `machine` that the line was in machine mode. Returns what the person now at the line must be told.
    pub fn signalled(&mut self, signal: Signal, untaken: bool, machine: bool, cut: Cut) -> Option<Cut> {
        let before = self.here.cut().unwrap_or_default();
        match signal {
            Signal::Interrupt if machine => self.program_left(),
            // Lines followed a Ctrl-C that ended something, and were voided before they could show whose they were.
            Signal::Interrupt if untaken && matches!(self.here, Doubt::Asked(_)) => {
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

    /// Keeps what the terminal is cut off from, unless it had lost the line before.
    fn leave_terminal(&mut self, cut: Cut) {
        let cut = match core::mem::take(&mut self.here) {
            Doubt::Cut(before) => before,
            Doubt::Asked(_) | Doubt::None => cut,
        };
        self.away.get_or_insert(cut);
    }

    /// Forgets all holders, because the line hung up and nobody knows who is at it now. Of the cut only this remains:
    /// that the peer may still send the rest of something.
    pub fn hung_up(&mut self, cut: Cut) -> Cut {
        let cut = match core::mem::take(self).here {
            Doubt::Cut(before) => before,
            Doubt::Asked(_) | Doubt::None => cut,
        };
        Cut { sending: cut.sending, ..Cut::default() }
    }

    /// Returns what the person must be told once a program has left the line, by Ctrl-C or by `person`.
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

    /// Learns from the next command whose Ctrl-C came before it: `machine` is a program's. `by_program` says that the
    /// line is in machine mode already.
    pub fn commanded(&mut self, is_machine: bool, by_program: bool) {
        self.here = match (self.here, is_machine) {
            (Doubt::Asked(cut) | Doubt::Cut(cut), true) => Doubt::Cut(cut),
            // The program works on.
            (Doubt::Cut(cut), false) if by_program => Doubt::Cut(cut),
            (_, _) => Doubt::None,
        };
    }
}
