//! An order of the operator's to the orchestrator: from its request until the status page says how it ended.

use core::fmt::{self, Display, Formatter};

use totebox_protocol::operator::{Order, REASON_MAX, Reason, Refusal};
use totebox_protocol::page::{ApplianceStatus, ArchiveState};
use totebox_protocol::trace::Event;

use super::context::Context;
use super::errors::Error;
use super::orchestrator::Answered;
use super::progress::Then;

/// A kind of order: how its result is shown.
#[derive(Debug)]
pub struct OrderKind {
    pub command: &'static str,
    /// Tells a person that it was taken up, if that is worth a line.
    pub taken_up: fn(&GivenOrder, &mut Context),
    /// Shows what is new of its result on the status page.
    pub show: fn(&mut GivenOrder, &mut Context) -> Then,
    /// What the operator who stops waiting is told.
    pub goes_on: &'static str,
    /// Whether the page tells of a later order instead.
    pub is_overtaken: fn(&GivenOrder, &ApplianceStatus) -> bool,
    /// Whether its own answer says this of a volume, so that it is no news.
    pub tells: fn(&GivenOrder, usize, Fact) -> bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    State(ArchiveState),
    /// It was verified, and the status page gives the order this name.
    Verified(u32),
}

impl OrderKind {
    /// A kind without further ado, which is all a question needs. Others add to it.
    pub const fn new(command: &'static str, show: fn(&mut GivenOrder, &mut Context) -> Then) -> OrderKind {
        OrderKind {
            command,
            taken_up: |_, _| {},
            show,
            goes_on: "what comes is dropped",
            is_overtaken: |_, _| false,
            tells: |_, _, _| false,
        }
    }
}

impl PartialEq for OrderKind {
    fn eq(&self, other: &OrderKind) -> bool {
        self.command == other.command
    }
}

impl Eq for OrderKind {}

#[derive(Clone, Copy, Debug)]
pub struct GivenOrder {
    pub order: Order,
    pub kind: &'static OrderKind,
    /// What the status page calls it once it was taken up.
    pub name: u32,
    /// The volumes whose result was shown, one bit each.
    pub shown: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The orchestrator has not answered the request with this tag.
    Asked(u32),
    /// It refused, and the operator does not know yet.
    Refused(Refusal),
    /// It took the order up, and the operator does not know yet.
    Accepted,
    /// The status page will say how it ended.
    TakenUp,
}

impl GivenOrder {
    /// Gives the orchestrator an order, whose reason are these words. Says why that could not be.
    pub fn give(
        order: Order,
        kind: &'static OrderKind,
        words: &[&str],
        context: &mut Context,
    ) -> Option<GivenOrder> {
        let mut reason = Reason::new();
        let mut fits = true;
        for (index, word) in words.iter().enumerate() {
            fits &= (index == 0 || reason.push(' ').is_ok()) && reason.push_str(word).is_ok();
        }
        if !fits {
            refuse(order, Refusal::ReasonTooLong, context);
            return None;
        }
        let Some(tag) = context.view.send(order, &reason) else {
            let what = if order.is_a_question() { "it cannot be asked" } else { "nothing was changed" };
            let text = format_args!("{}; {what}", context.view.since_when_lost());
            context.output.error(Error::NotAnswering, None, text);
            return None;
        };
        context.tracer.note(Event::Order(order.op()));
        Some(GivenOrder { order, kind, name: 0, shown: 0, stage: Stage::Asked(tag) })
    }

    fn is_taken_up(&self) -> bool {
        self.stage == Stage::TakenUp
    }

    /// Whether the answer that the operator waits for says this of a volume.
    pub fn tells(&self, volume: usize, fact: Fact) -> bool {
        self.is_taken_up() && (self.kind.tells)(self, volume, fact)
    }

    pub fn answered(&mut self, answered: &Answered) {
        if self.stage != Stage::Asked(answered.tag) {
            return;
        }
        self.stage = match answered.outcome {
            Ok(name) => {
                self.name = name;
                Stage::Accepted
            }
            Err(refusal) => Stage::Refused(refusal),
        };
    }

    /// Passes the orchestrator's answer on, if it has come or never will.
    pub fn step(&mut self, context: &mut Context) -> Option<Then> {
        match self.stage {
            Stage::Asked(_) if context.view.is_orchestrator_lost() => Some(self.lose(context)),
            Stage::Asked(_) | Stage::TakenUp => None,
            Stage::Refused(refusal) => {
                refuse(self.order, refusal, context);
                Some(Then::Ends)
            }
            Stage::Accepted => {
                self.stage = Stage::TakenUp;
                (self.kind.taken_up)(self, context);
                // What it leads to may be there already.
                context.view.expire();
                Some(Then::GoesOn)
            }
        }
    }

    /// Shows what is new of it on the status page.
    pub fn show(&mut self, context: &mut Context) -> Then {
        match self.stage {
            Stage::TakenUp => (self.kind.show)(self, context),
            Stage::Asked(_) | Stage::Refused(_) | Stage::Accepted => Then::GoesOn,
        }
    }

    /// Ends the wait for what it leads to, if nobody tells of that any more.
    pub fn abandon(&self, context: &mut Context) -> Option<Then> {
        let lost = self.is_taken_up() && context.view.is_orchestrator_lost();
        lost.then(|| self.lose(context))
    }

    /// Says that the orchestrator is lost, and what that leaves open.
    fn lose(&self, context: &mut Context) -> Then {
        let what = match self.order.is_a_question() {
            true => "it cannot be asked",
            false => "the order may still be carried out, see status",
        };
        let text = format_args!("{}; {what}", context.view.since_when_lost());
        context.output.error(Error::NotAnswering, None, text);
        Then::Ends
    }

    pub fn give_up(&self, context: &mut Context) {
        context.stop_waiting(match self.stage {
            Stage::TakenUp => self.kind.goes_on,
            _ if self.order.is_a_question() => self.kind.goes_on,
            _ => "it may still be carried out, see status",
        });
    }

    /// Says how it ended, or else that it goes on, to one who was cut off while waiting for it.
    pub fn tell_later(mut self, context: &mut Context) {
        match self.stage {
            Stage::Refused(refusal) => return refuse(self.order, refusal, context),
            Stage::Accepted => self.stage = Stage::TakenUp,
            Stage::Asked(_) | Stage::TakenUp => {}
        }
        let is_overtaken = |status_page| self.is_taken_up() && (self.kind.is_overtaken)(&self, status_page);
        if context.view.last().is_some_and(is_overtaken) {
            let text = "a later order for that archive replaced it; history shows what it led to";
            return context.output.error(Error::Cancelled, None, format_args!("{text}"));
        }
        if self.show(context) == Then::GoesOn {
            self.give_up(context);
        }
    }
}

/// Says why an order was not taken up.
fn refuse(order: Order, refusal: Refusal, context: &mut Context) {
    let Context { output, view, volumes, .. } = context;
    let row = view.refresh().zip(order.volume()).and_then(|(status_page, volume)| status_page.volumes.get(volume));
    let state = row.map_or(ArchiveState::Starting, |volume| volume.state).name();
    let volume = order.volume().map_or("", |volume| &volumes[volume]);
    let refused = Refused { order, refusal, volume, state };
    output.error(refused.error(), None, format_args!("{refused}"));
}

/// An order that was not taken up, and changed nothing.
struct Refused<'a> {
    order: Order,
    refusal: Refusal,
    volume: &'a str,
    state: &'a str,
}

impl Refused<'_> {
    const fn error(&self) -> Error {
        match self.refusal {
            Refusal::BadRequest => Error::BadArgument,
            Refusal::UnknownArchive => Error::UnknownArchive,
            Refusal::AlreadyRunning => Error::Busy,
            Refusal::AuditorUnavailable => Error::Unavailable,
            Refusal::AlreadyThere => Error::AlreadyThere,
            Refusal::ImpossibleTransition => Error::ImpossibleTransition,
            Refusal::UnknownFlag => Error::UnknownFlag,
            Refusal::AlreadyAcknowledged => Error::AlreadyAcknowledged,
            Refusal::ReasonMissing | Refusal::ReasonTooLong | Refusal::ReasonUnreadable => Error::BadReason,
            Refusal::NotRecorded => Error::NotRecorded,
            Refusal::NotReady => Error::NotReady,
        }
    }
}

impl Display for Refused<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Refused { order, refusal, volume, state } = self;
        let number = if let Order::Acknowledge(flag) = order { *flag } else { 0 };
        f.write_str(match refusal {
            Refusal::BadRequest => "the orchestrator does not know that command",
            Refusal::UnknownArchive => "the orchestrator has no such archive; status shows them",
            Refusal::AlreadyRunning => match order {
                Order::Verify(_) => "an audit is under way; status shows it, wait for its end",
                Order::History(_) => "the audit record is already being read; try again in a moment",
                _ => return write!(f, "{volume} is already changing its state; see status, and wait until it has"),
            },
            Refusal::AuditorUnavailable => {
                "the auditor cannot be asked; with the appliance off there is: totebox disk verify"
            }
            Refusal::AlreadyThere => return write!(f, "{volume} is already {state}; nothing was changed"),
            Refusal::ImpossibleTransition => {
                return write!(
                    f,
                    "{volume} is {state}, and the order is impossible in that state; nothing was changed. An archived \
                     archive stays archived; a faulted or failed one waits for the next start of the appliance"
                );
            }
            Refusal::UnknownFlag => return write!(f, "there is no flag {number}; flags shows them"),
            Refusal::AlreadyAcknowledged => {
                return write!(f, "flag {number} is already acknowledged; history shows why");
            }
            Refusal::ReasonMissing => return write!(f, "say why: ack {number} REASON; it is recorded"),
            Refusal::ReasonTooLong => {
                return write!(f, "a reason has at most {REASON_MAX} bytes; nothing was acknowledged");
            }
            Refusal::ReasonUnreadable => "a reason is text without control characters; nothing was acknowledged",
            Refusal::NotRecorded => {
                "nothing was changed: too many entries wait for the audit record; try again in a moment"
            }
            Refusal::NotReady if order.is_a_question() => {
                "the audit record is still being read; try again in a moment"
            }
            Refusal::NotReady => {
                "nothing was changed: the archives are still coming up to the states the audit record tells of; try \
                 again in a moment"
            }
        })
    }
}
