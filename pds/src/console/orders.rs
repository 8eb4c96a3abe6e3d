//! What the operator has the orchestrator do: the call, and the name of every reason not to do it. What it
//! led to shows on the surface later, where the tag the call returned names it.

use core::fmt::{self, Display, Formatter};

use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::errors::Error;
use super::flags::volume_name;
use super::session::{Activity, Session};
use super::status::state_name;
use crate::Kernel;
use crate::kernel::CALL_BYTES_MAX;
use crate::proto::operator::{Op, Outcome, REASON_MAX, Reply, Request};

/// An order: an operation and what it is about.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub op: Op,
    /// See [`Request::volume`].
    pub volume: u8,
    /// See [`Request::number`].
    pub number: u64,
    pub reason: &'a str,
}

/// An order that was not taken up, and changed nothing.
struct Refused<'a> {
    order: Order<'a>,
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
                     archived, and a faulted or failed archive is left as it is"
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
            Outcome::NotReady => {
                "nothing was changed: the archives' states are still being read from the audit record; try again"
            }
        })
    }
}

impl Session {
    /// Has the orchestrator take an order up; its tag. Says why if that did not come about.
    pub(super) fn order(&mut self, kernel: &mut dyn Kernel, order: Order<'_>) -> Option<u32> {
        let mut request = Request::new_zeroed();
        (request.op, request.volume, request.number) = (order.op as u8, order.volume, order.number.into());
        let mut bytes: heapless::Vec<u8, CALL_BYTES_MAX> = heapless::Vec::new();
        if bytes.extend_from_slice(request.as_bytes()).is_err()
            || bytes.extend_from_slice(order.reason.as_bytes()).is_err()
        {
            self.refuse(order, Outcome::ReasonTooLong);
            return None;
        }
        let mut reply = [0; size_of::<Reply>()];
        let len = kernel.call(self.orchestrator, &bytes, &mut reply).min(reply.len());
        let reply = Reply::read_from_bytes(&reply[..len]).ok();
        match reply.and_then(|reply| Outcome::from_wire(reply.outcome).zip(Some(reply.tag.get()))) {
            Some((Outcome::Accepted, tag)) => {
                // What it leads to may be there already.
                self.surface.expire();
                return Some(tag);
            }
            Some((outcome, _)) => self.refuse(order, outcome),
            None => {
                let text = "the orchestrator did not answer; try again";
                self.output.error(Error::NotAnswering, None, format_args!("{text}"));
            }
        }
        None
    }

    /// Says why an order was not taken up.
    pub(super) fn refuse(&mut self, order: Order<'_>, outcome: Outcome) {
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
            Activity::Idle | Activity::Away | Activity::Skip(_) => {}
            Activity::Put(_) | Activity::Get(_) | Activity::List(_) => {}
        }
    }
}
