//! What the orchestrator asks of the auditor, and the way into messages and back.

use zerocopy::{FromZeros, IntoBytes};

use super::wire::{NO_RECORD, Op, Request, read, record};
use super::{Entry, EntryRow, Scope, UNASKED};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Verify {
        volume: u8,
        tag: u32,
        scope: Scope,
    },
    Record {
        tag: u32,
        /// What; `None` if it has no meaning.
        entry: Option<Entry>,
    },
    History {
        tag: u32,
        /// From this sequence number on; `None`: the last ones.
        from: Option<u64>,
        /// So many of them at most.
        count: u32,
    },
    /// Nothing: see [`Op::Ping`].
    Ping,
}

impl Asked {
    /// Hands over the request as a message, its header and its body.
    pub fn encode<R>(&self, send: impl FnOnce(&Request, &[u8]) -> R) -> R {
        let mut request = Request::new_zeroed();
        match self {
            Asked::Verify { volume, tag, scope } => {
                (request.op, request.volume, request.tag) = (scope.op() as u8, *volume, (*tag).into());
                send(&request, &[])
            }
            Asked::Record { tag, entry } => {
                (request.op, request.tag) = (Op::Record as u8, (*tag).into());
                request.len = (size_of::<EntryRow>() as u32).into();
                let row = entry.as_ref().map_or_else(EntryRow::new_zeroed, EntryRow::of);
                send(&request, row.as_bytes())
            }
            Asked::History { tag, from, count } => {
                (request.op, request.tag) = (Op::History as u8, (*tag).into());
                (request.count, request.number) = ((*count).into(), from.unwrap_or(NO_RECORD).into());
                send(&request, &[])
            }
            Asked::Ping => {
                request.op = Op::Ping as u8;
                send(&request, &[])
            }
        }
    }

    /// The request in a message; `None` if it is none that an orchestrator of so many volumes sends. `body` copies out
    /// the start of the message's body; it is asked at most once.
    pub fn decode(request: &Request, body: impl FnOnce(&mut [u8]), volumes: usize) -> Option<Asked> {
        let (len, count, number) = (request.len.get() as usize, request.count.get(), request.number.get());
        let (tag, volume) = (request.tag.get(), request.volume);
        let plain = len == 0 && count == 0 && number == 0;
        if request.reserved != [0; 2] || request.reserved_tail != [0; 40] {
            return None;
        }
        let op = Op::from_wire(request.op)?;
        match op {
            Op::VerifyFull | Op::VerifyIncremental if plain && usize::from(volume) < volumes => {
                Some(Asked::Verify { volume, tag, scope: Scope::asked(op)? })
            }
            Op::Record if len == size_of::<EntryRow>() && count == 0 && number == 0 => {
                Some(Asked::Record { tag, entry: read::<EntryRow>(body).decode() })
            }
            Op::History if len == 0 => Some(Asked::History { tag, from: record(request.number), count }),
            Op::Ping if plain && tag == UNASKED => Some(Asked::Ping),
            _ => None,
        }
    }
}
