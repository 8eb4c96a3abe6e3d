//! The operator's orders: requests of the console to the orchestrator, and its answers, by queue. An answer comes
//! at once; what takes time shows in the [status page](super::page::StatusPage) later, where a completed order is
//! named by what its answer called it. When an answer comes, the status page is up to date.
//!
//! | order | named when it is complete in |
//! |---|---|
//! | [`Op::Verify`] | [`StatusRow::verify_tag`](super::page::StatusRow::verify_tag) of each volume |
//! | [`Op::Suspend`], [`Op::Resume`], [`Op::Archive`] | [`StatusRow::command_tag`](super::page::StatusRow::command_tag), with the [`Completion`] beside it |
//! | [`Op::Acknowledge`] | [`FlagRow::tag`](super::flag::FlagRow::tag): acknowledged; recorded, or not |
//! | [`Op::History`] | [`StatusPage::history_tag`](super::page::StatusPage::history_tag) |
//! | [`Op::Findings`] | [`StatusPage::findings_tag`](super::page::StatusPage::findings_tag) |
//! | [`Op::Trace`] | [`StatusPage::trace_tag`](super::page::StatusPage::trace_tag) |
//! | [`Op::Ping`] | its answer |

use heapless::String;
use totebox_manifest::conversation::{MESSAGE_HEADER, ORDER_DATA};
use totebox_manifest::{Role, SERVICES, VOLUMES_MAX};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::lifecycle::Standing;
use super::wire_enum;

/// Bytes of an acknowledgement's reason at most: a line an operator types.
pub const REASON_MAX: usize = 120;

pub type Reason = String<REASON_MAX>;

/// A domain whose trace is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced {
    /// The archive with this index.
    Archive(usize),
    /// A domain of which there is one.
    Service(Role),
}

impl Traced {
    /// The domain of this role and index among archives; `None` if there is none.
    pub fn of(role: Role, index: usize) -> Option<Traced> {
        match role {
            Role::Archive => Some(Traced::Archive(index)),
            role => (index == 0).then_some(Traced::Service(role)),
        }
    }

    /// The domain beside the archives with this name.
    pub fn service(name: &str) -> Option<Traced> {
        SERVICES.into_iter().find(|role| role.name() == name).map(Traced::Service)
    }

    /// Its role.
    pub const fn role(self) -> Role {
        match self {
            Traced::Archive(_) => Role::Archive,
            Traced::Service(role) => role,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Have the auditor verify a volume in full; without one, every volume.
    Verify(Option<usize>),
    Change(usize, Standing),
    /// Acknowledge the flag with this id. It alone has a reason.
    Acknowledge(u32),
    /// Show records of the audit record: those from this number on, or the last ones.
    History(Option<u64>),
    Ping,
    /// Show what the last verification of a volume found beyond what became flags.
    Findings(usize),
    /// Show what a domain noted last.
    Trace(Traced),
}

impl Order {
    /// Whether it only asks: nothing is changed by it, and nothing can be left half done.
    pub const fn is_a_question(self) -> bool {
        matches!(self, Order::History(_) | Order::Ping | Order::Findings(_) | Order::Trace(_))
    }

    /// The volume it is about, if it is about one.
    pub const fn volume(self) -> Option<usize> {
        match self {
            Order::Verify(volume) => volume,
            Order::Change(volume, _) | Order::Findings(volume) => Some(volume),
            Order::Trace(Traced::Archive(archive)) => Some(archive),
            Order::Acknowledge(_) | Order::History(_) | Order::Ping | Order::Trace(_) => None,
        }
    }

    /// Its number.
    pub const fn op(self) -> Op {
        match self {
            Order::Verify(_) => Op::Verify,
            Order::Change(_, Standing::Suspended) => Op::Suspend,
            Order::Change(_, Standing::Active) => Op::Resume,
            Order::Change(_, Standing::Archived) => Op::Archive,
            Order::Acknowledge(_) => Op::Acknowledge,
            Order::History(_) => Op::History,
            Order::Ping => Op::Ping,
            Order::Findings(_) => Op::Findings,
            Order::Trace(_) => Op::Trace,
        }
    }

    /// The order as a request. Its reason, of so many bytes, follows the request.
    pub fn encode(self, tag: u32, reason_len: usize) -> Request {
        const { assert!(VOLUMES_MAX < ALL_VOLUMES as usize && ORDER_DATA <= u16::MAX as usize) };
        let volume = match self {
            Order::Verify(None) => ALL_VOLUMES,
            order => order.volume().unwrap_or(0) as u8,
        };
        let number = match self {
            Order::Acknowledge(flag) => flag.into(),
            Order::History(from) => from.unwrap_or(LATEST),
            Order::Trace(domain) => domain.role() as u64,
            _ => 0,
        };
        Request {
            op: self.op() as u8,
            volume,
            len: (reason_len as u16).into(),
            tag: tag.into(),
            number: number.into(),
            reserved: [0; 48],
        }
    }
}

impl Request {
    /// The order, and the reason for it, which is empty for all that take none. `data` copies out the start of what follows
    /// the request; it is asked at most once.
    pub fn decode(&self, data: impl FnOnce(&mut [u8])) -> Result<(Order, Reason), Refusal> {
        let op = Op::from_wire(self.op).ok_or(Refusal::BadRequest)?;
        let mut text = [0; ORDER_DATA];
        let text = text.get_mut(..self.len.get().into()).ok_or(Refusal::BadRequest)?;
        data(text);
        let (volume, number) = (usize::from(self.volume), self.number.get());
        let (order, takes_volume, takes_number) = match op {
            Op::Verify => (Order::Verify(Some(volume).filter(|_| self.volume != ALL_VOLUMES)), true, false),
            Op::Suspend => (Order::Change(volume, Standing::Suspended), true, false),
            Op::Resume => (Order::Change(volume, Standing::Active), true, false),
            Op::Archive => (Order::Change(volume, Standing::Archived), true, false),
            Op::Findings => (Order::Findings(volume), true, false),
            Op::Acknowledge => {
                let flag = u32::try_from(number).map_err(|_| Refusal::UnknownFlag)?;
                (Order::Acknowledge(flag), false, true)
            }
            Op::History => (Order::History(Some(number).filter(|&from| from != LATEST)), false, true),
            Op::Ping => (Order::Ping, false, false),
            Op::Trace => {
                let role = u8::try_from(number).ok().and_then(Role::from_u8).ok_or(Refusal::BadRequest)?;
                (Order::Trace(Traced::of(role, volume).ok_or(Refusal::BadRequest)?), true, true)
            }
        };
        let has_too_much = (volume != 0 && !takes_volume) || (number != 0 && !takes_number);
        match order {
            _ if has_too_much || self.reserved != [0; 48] => Err(Refusal::BadRequest),
            Order::Acknowledge(_) => Ok((order, reason(text)?)),
            _ if text.is_empty() => Ok((order, Reason::new())),
            _ => Err(Refusal::BadRequest),
        }
    }

    /// The answer to it: what the status page will call the order, or why it was not taken up.
    pub fn answer(&self, outcome: Result<u32, Refusal>) -> Reply {
        Reply {
            op: self.op,
            outcome: outcome.map_or_else(|refusal| refusal as u8, |_| ACCEPTED),
            tag: self.tag,
            name: outcome.unwrap_or(0).into(),
            ..Reply::new_zeroed()
        }
    }
}

/// The reason for an acknowledgement, as an operator types it.
fn reason(text: &[u8]) -> Result<Reason, Refusal> {
    if text.len() > REASON_MAX {
        return Err(Refusal::ReasonTooLong);
    }
    let text = core::str::from_utf8(text).map_err(|_| Refusal::ReasonUnreadable)?;
    match text.trim().is_empty() {
        _ if text.contains(char::is_control) => Err(Refusal::ReasonUnreadable),
        true => Err(Refusal::ReasonMissing),
        false => Reason::try_from(text).map_err(|_| Refusal::ReasonTooLong),
    }
}

impl Reply {
    /// What was answered to this request: what the status page will call the order, or why it was not taken up. `None` if
    /// this is no answer to it.
    pub fn decode(&self, request: &Request) -> Option<Result<u32, Refusal>> {
        if (self.tag, self.op) != (request.tag, request.op) {
            return None;
        }
        match self.outcome {
            ACCEPTED => Some(Ok(self.name.get())),
            refused => Refusal::from_wire(refused).map(Err),
        }
    }
}

wire_enum! {
    Op: u8 {
        /// Have the auditor verify a volume ([`ALL_VOLUMES`]: every one), in full.
        Verify = 1, "audit";
        /// Suspend an archive: it comes to rest and its thread is stopped.
        Suspend = 2, "suspend";
        Resume = 3, "resume";
        /// Close an archive for good: last record, checkpoint, and the vault seals its volume.
        Archive = 4, "archive";
        /// Acknowledge the flag with the id [`Request::number`]; the reason follows the request.
        Acknowledge = 5, "ack";
        /// Show records of the audit record on the status page, from sequence number [`Request::number`] on
        /// ([`LATEST`]: the last ones).
        History = 6, "history";
        /// Say that you are there. The console asks once a second, which tells each of the other's life.
        Ping = 7, "ping";
        /// Show on the status page what the last verification of a volume found beyond what became flags.
        Findings = 8, "flags";
        /// Show on the status page the trace of the domain with the role [`Request::number`], among archives the one
        /// with the index [`Request::volume`].
        Trace = 9, "trace";
    }
}

/// Every volume, in [`Request::volume`].
pub const ALL_VOLUMES: u8 = 0xff;

/// The last records, in [`Request::number`] of [`Op::History`].
pub const LATEST: u64 = u64::MAX;

/// In [`Reply::outcome`]: the order was taken up.
pub const ACCEPTED: u8 = 0;

wire_enum! {
    /// Why an order is not taken up. Then it changes nothing.
    Refusal: u8 {
        BadRequest = 1,
        /// No such volume; of a lifecycle command also: the audit volume, which has no lifecycle.
        UnknownArchive = 2,
        /// The same is under way already: an audit of the volume, a transition of the archive, a history.
        AlreadyRunning = 3,
        /// The auditor is not there to do it.
        AuditorUnavailable = 4,
        AlreadyThere = 5,
        /// The lifecycle has no such transition: out of `archived` there is none, and an archive can only be
        /// archived while it is in service or suspended.
        ImpossibleTransition = 6,
        UnknownFlag = 7,
        /// The flag is acknowledged, or its acknowledgement is being recorded.
        AlreadyAcknowledged = 8,
        ReasonMissing = 9,
        /// The reason is longer than [`REASON_MAX`] bytes.
        ReasonTooLong = 10,
        /// The reason is not UTF-8 or has control characters.
        ReasonUnreadable = 11,
        /// Too much waits to be entered into the audit record already.
        NotRecorded = 12,
        /// The states of the archives have not been read back from the audit record yet.
        NotReady = 13,
    }
}

wire_enum! {
    /// How the last lifecycle command of an archive ended.
    Completion: u8 {
        /// The archive did it, and both ledgers say so.
        Done = 1,
        /// The archive did not come to rest in its time and was stopped.
        Stopped = 2,
        /// It is done, but the audit record or the archive's own ledger does not say so; there is a flag.
        Unrecorded = 3,
        /// It could not be done; there is a flag. The state is the old one, but an archive whose volume could not
        /// be sealed is stopped, and the next start tries again.
        Failed = 4,
    }
}

/// The header of an order; the reason follows it, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    pub op: u8,
    /// The volume's number in the manifest, or [`ALL_VOLUMES`]; 0 where no volume is meant.
    pub volume: u8,
    /// Bytes of the reason.
    pub len: U16,
    /// Chosen by the console, returned in the answer.
    pub tag: U32,
    pub number: U64,
    pub reserved: [u8; 48],
}

/// The answer. They come in the order of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Reply {
    pub op: u8,
    pub outcome: u8,
    pub reserved: [u8; 2],
    pub tag: U32,
    /// What the status page will call this order; 0 if it was not taken up, or is [`Op::Ping`].
    pub name: U32,
    pub reserved_tail: [u8; 52],
}

const _: () = assert!(size_of::<Request>() == MESSAGE_HEADER && size_of::<Reply>() == MESSAGE_HEADER);
// The longest reason, and one byte more to see that it is too long.
const _: () = assert!(REASON_MAX < ORDER_DATA);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Orders of every kind, each with the reason that it needs.
    fn orders() -> Vec<(Order, &'static str)> {
        let mut orders =
            Vec::from([Order::Verify(None), Order::Ping, Order::History(None), Order::Acknowledge(7)]);
        for volume in [0, 1, VOLUMES_MAX - 1] {
            orders.extend([Order::Verify(Some(volume)), Order::Findings(volume)]);
            let standings = [Standing::Active, Standing::Suspended, Standing::Archived];
            orders.extend(standings.map(|standing| Order::Change(volume, standing)));
        }
        orders.extend([0, 9, u64::MAX - 1].map(|from| Order::History(Some(from))));
        orders.extend([0, 1].map(|archive| Order::Trace(Traced::Archive(archive))));
        orders.extend(totebox_manifest::SERVICES.map(|role| Order::Trace(Traced::Service(role))));
        let reason = |order: &Order| if matches!(order, Order::Acknowledge(_)) { "seen: é" } else { "" };
        orders.into_iter().map(|order| (order, reason(&order))).collect()
    }

    #[test]
    fn every_order_and_its_answer_come_out_as_they_went_in() {
        for (order, text) in orders() {
            let request = order.encode(5, text.len());
            let read = Request::read_from_bytes(request.as_bytes()).unwrap();
            let decoded = read.decode(|data| data.copy_from_slice(text.as_bytes()));
            assert_eq!(decoded, Ok((order, Reason::try_from(text).unwrap())));
            for outcome in (0..=u8::MAX).filter_map(Refusal::from_wire).map(Err).chain([Ok(9)]) {
                assert_eq!(request.answer(outcome).decode(&request), Some(outcome));
            }
        }
    }

    /// Every value of every byte of every order and answer.
    #[test]
    fn what_is_no_order_and_no_answer_is_refused() {
        for (order, text) in orders() {
            let good = order.encode(5, text.len());
            for (at, value) in (0..size_of::<Request>()).flat_map(|at| (0..=u8::MAX).map(move |value| (at, value)))
            {
                let mut request = good;
                request.as_mut_bytes()[at] = value;
                if let Ok((read, reason)) = request.decode(|data| data.fill(b'x')) {
                    assert_eq!(read.encode(request.tag.get(), reason.len()), request);
                }
                let mut reply = good.answer(Ok(9));
                reply.as_mut_bytes()[at] = value;
                let is_answer = match at {
                    0 | 4..8 => reply == good.answer(Ok(9)),
                    1 => value == ACCEPTED || Refusal::from_wire(value).is_some(),
                    _ => true,
                };
                assert_eq!(reply.decode(&good).is_some(), is_answer, "byte {at} is {value}");
            }
        }
    }

    #[test]
    fn a_domain_is_found_by_its_role_and_by_its_name() {
        for role in SERVICES {
            assert_eq!(Traced::service(role.name()), Traced::of(role, 0));
            assert_eq!(Traced::of(role, 1), None);
        }
        assert_eq!(Traced::service("archive"), None);
        assert_eq!(Traced::of(Role::Archive, 7), Some(Traced::Archive(7)));
    }
}
