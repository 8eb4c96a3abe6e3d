//! What the operator has the orchestrator do: the order, its answer, and the name of every reason not to do it.
//! What it led to shows on the surface later, under the name the answer gave it.

use core::fmt::{self, Display, Formatter};

use totebox_console_protocol::change::Change;
use totebox_console_protocol::text::Duration;
use totebox_protocol::operator::{Op, Outcome, REASON_MAX};

use super::errors::Error;
use super::flags::volume_name;
use super::orchestrator::Answered;
use super::phrases::state_name;
use super::session::{Activity, Session};

/// An order: an operation and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub op: Op,
    /// See [`Request::volume`](totebox_protocol::operator::Request::volume).
    pub volume: u8,
    /// See [`Request::number`](totebox_protocol::operator::Request::number).
    pub number: u64,
}

impl Order {
    /// Asks for a sign of life, and for a surface that is up to date.
    pub const PING: Order = Order { op: Op::Ping, volume: 0, number: 0 };
}

/// What is shown of the surface once that is up to date.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    Status,
    Flags,
}

/// An order that was not taken up, and changed nothing.
struct Refused<'a> {
    order: Order,
    outcome: Outcome,
    /// The volume's name, and its state's.
    volume: &'a str,
    state: &'a str,
}

impl Refused<'_> {
    const fn error(&self) -> Error {
        match self.outcome {
            Outcome::Accepted | Outcome::BadRequest => Error::BadArgument,
            Outcome::UnknownArchive => Error::UnknownArchive,
            Outcome::AlreadyRunning => Error::Busy,
            Outcome::AuditorUnavailable => Error::Unavailable,
            Outcome::AlreadyThere => Error::AlreadyThere,
            Outcome::ImpossibleTransition => Error::ImpossibleTransition,
            Outcome::UnknownFlag => Error::UnknownFlag,
            Outcome::AlreadyAcknowledged => Error::AlreadyAcknowledged,
            Outcome::ReasonMissing | Outcome::ReasonTooLong | Outcome::ReasonUnreadable => Error::BadReason,
            Outcome::NotRecorded => Error::NotRecorded,
            Outcome::NotReady => Error::NotReady,
        }
    }
}

impl Display for Refused<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Refused { order, outcome, volume, state } = self;
        let number = order.number;
        f.write_str(match outcome {
            Outcome::Accepted | Outcome::BadRequest => "the orchestrator does not know that command",
            Outcome::UnknownArchive => "the orchestrator has no such archive; status shows them",
            Outcome::AlreadyRunning => match order.op {
                Op::Verify => "an audit is under way; status shows it, wait for its end",
                Op::History => "the audit record is being read already; try again in a moment",
                _ => return write!(f, "{volume} is changing its state already; wait for its end, see status"),
            },
            Outcome::AuditorUnavailable => {
                "the auditor cannot be asked; with the appliance off there is: totebox disk verify"
            }
            Outcome::AlreadyThere => return write!(f, "{volume} is that already: {state}; nothing was changed"),
            Outcome::ImpossibleTransition => {
                return write!(
                    f,
                    "{volume} is {state}, from where that is impossible; nothing was changed. Nothing leads out of \
                     archived, and a faulted or failed archive is left as it is until the appliance starts again"
                );
            }
            Outcome::UnknownFlag => return write!(f, "there is no flag {number}; flags shows them"),
            Outcome::AlreadyAcknowledged => {
                return write!(f, "flag {number} is acknowledged already; history shows why");
            }
            Outcome::ReasonMissing => return write!(f, "say why: ack {number} REASON; it is recorded"),
            Outcome::ReasonTooLong => {
                return write!(f, "a reason has at most {REASON_MAX} bytes; nothing was acknowledged");
            }
            Outcome::ReasonUnreadable => "a reason is text without control characters; nothing was acknowledged",
            Outcome::NotRecorded => {
                "nothing was changed: too much waits to be entered into the audit record; try again in a moment"
            }
            Outcome::NotReady if order.op.is_a_question() => {
                "the audit record is still being read; try again in a moment"
            }
            Outcome::NotReady => {
                "nothing was changed: the archives are still coming up to the states the audit record tells of; try \
                 again in a moment"
            }
        })
    }
}

impl Session {
    /// Gives the orchestrator an order, and waits for the answer.
    pub(super) fn order(&mut self, order: Order, reason: &str) {
        match self.orders_tag(order, reason) {
            Some(tag) => self.activity = Activity::Order { tag, order },
            None => {
                let what = if order.op.is_a_question() { "it cannot be asked" } else { "nothing was changed" };
                let text = format_args!("{}; {what}", self.orchestrator_lost());
                self.output.error(Error::NotAnswering, None, text);
            }
        }
    }

    /// Has the orchestrator bring the surface up to date, and shows it then; or what there is, if it does not.
    pub(super) fn look(&mut self, look: Look) {
        match self.orders_tag(Order::PING, "") {
            Some(tag) => self.activity = Activity::Look { tag, look },
            None => self.show(look),
        }
    }

    /// Sends an order to an orchestrator that is not lost.
    fn orders_tag(&mut self, order: Order, reason: &str) -> Option<u32> {
        let lost = self.orchestrator.is_lost(self.now_ms);
        if lost { None } else { self.orchestrator.send(self.now_ms, &order, reason) }
    }

    fn show(&mut self, look: Look) {
        match look {
            Look::Status => self.status(),
            Look::Flags => self.flags(),
        }
    }

    /// Goes on with what waits for an answer of the orchestrator; whether that could go on.
    pub(super) fn take_answer(&mut self) -> bool {
        let (Activity::Order { tag, .. } | Activity::Look { tag, .. }) = self.activity else { return false };
        let answer = self.answered.take_if(|answered| answered.tag == tag);
        if answer.is_none() && !self.orchestrator.is_lost(self.now_ms) {
            return false;
        }
        match (core::mem::replace(&mut self.activity, Activity::Idle), answer) {
            (Activity::Look { look, .. }, _) => self.show(look),
            (Activity::Order { order, .. }, Some(Answered { outcome: Outcome::Accepted, name, .. })) => {
                self.accepted(order, name);
                // What it leads to may be there already.
                self.surface.expire();
            }
            (Activity::Order { order, .. }, Some(Answered { outcome, .. })) => self.refuse(order, outcome),
            (Activity::Order { order, .. }, None) => self.lose_order(order.op.is_a_question()),
            _ => {}
        }
        true
    }

    /// Says that the orchestrator is lost, and what that leaves open of what it was to do.
    fn lose_order(&mut self, question: bool) {
        let what = match question {
            true => "it cannot be asked",
            false => "the order may still be carried out, see status",
        };
        let text = format_args!("{}; {what}", self.orchestrator_lost());
        self.output.error(Error::NotAnswering, None, text);
    }

    fn accepted(&mut self, order: Order, name: u32) {
        let archive = usize::from(order.volume);
        match order.op {
            Op::Verify => self.await_audit(order.volume, name),
            Op::Suspend => self.await_transition(archive, Change::Suspend, name),
            Op::Resume => self.await_transition(archive, Change::Resume, name),
            Op::Archive => self.await_transition(archive, Change::Archive, name),
            Op::Acknowledge => self.activity = Activity::Acknowledge { tag: name, flag: order.number as u32 },
            Op::History => self.activity = Activity::History { tag: name },
            Op::Findings => self.activity = Activity::Findings { volume: archive, tag: name },
            Op::Ping => {}
        }
    }

    /// In words, since when the orchestrator is lost.
    fn orchestrator_lost(&self) -> heapless::String<96> {
        let lost = match self.orchestrator.is_broken() {
            true => return heapless::format!("the orchestrator broke its protocol").unwrap_or_default(),
            false => Duration(self.orchestrator.age_ms(self.now_ms)),
        };
        heapless::format!("the orchestrator has not answered for {lost}").unwrap_or_default()
    }

    /// Ends the wait for what an order leads to, if nobody tells of it any more; whether something was ended.
    pub(super) fn abandon_order(&mut self) -> bool {
        let question = match self.activity {
            Activity::Audit(_) | Activity::Transition(_) | Activity::Acknowledge { .. } => false,
            Activity::History { .. } | Activity::Findings { .. } => true,
            _ => return false,
        };
        if !self.orchestrator.is_lost(self.now_ms) {
            return false;
        }
        self.activity = Activity::Idle;
        self.lose_order(question);
        true
    }

    /// Says why an order was not taken up.
    pub(super) fn refuse(&mut self, order: Order, outcome: Outcome) {
        let row = self.surface.refresh().and_then(|surface| surface.rows.get(usize::from(order.volume)));
        let state = row.map_or("unknown", state_name);
        let volume = volume_name(&self.volumes, order.volume).unwrap_or("");
        let refused = Refused { order, outcome, volume, state };
        self.output.error(refused.error(), None, format_args!("{refused}"));
    }

    /// Goes on with the order that is under way, as far as the surface says what it led to.
    pub(super) fn answer_order(&mut self) {
        match self.activity {
            Activity::Audit(_) => self.show_verdicts(),
            Activity::Transition(transition) => self.show_transition(transition),
            Activity::Acknowledge { tag, flag } => self.show_acknowledgement(tag, flag),
            Activity::History { tag } => self.show_history(tag),
            Activity::Findings { volume, tag } => self.show_findings(volume, tag),
            Activity::Idle | Activity::Away | Activity::Skip(_) => {}
            Activity::Put(_) | Activity::Get(_) | Activity::List(_) | Activity::Sign { .. } => {}
            Activity::Order { .. } | Activity::Look { .. } => {}
        }
    }
}
