//! The orchestrator as the console meets it: answers to orders, and what they lead to on the surface. What is
//! done here shows when the surface is published.

use alloc::string::String;

use zerocopy::{FromBytes, IntoBytes};

use super::{Bench, RECORD_TIME_MS};
use crate::proto::audit::{Event, NO_RECORD};
use crate::proto::flag::{Acknowledged, FlagKind, FlagRow};
use crate::proto::operator::{Completion, Op, Outcome, Reply, Request};
use crate::proto::page::ArchiveState;

impl Bench {
    /// Has the orchestrator answer the next order like this.
    pub fn answer_order(&mut self, outcome: Outcome, tag: u32) {
        let reply = Reply { outcome: outcome as u8, reserved: [0; 3], tag: tag.into() };
        self.kernel.replies.push_back(reply.as_bytes().to_vec());
    }

    /// The last order that came to the orchestrator: what is asked, of which volume, the number, the reason.
    pub fn last_order(&mut self) -> (Op, u8, u64, String) {
        let (channel, bytes) = self.kernel.calls.pop().expect("an order");
        assert_eq!(channel, self.orchestrator);
        let (request, reason) = Request::read_from_prefix(&bytes).unwrap();
        let op = Op::from_wire(request.op).unwrap();
        (op, request.volume, request.number.get(), String::from_utf8(reason.to_vec()).unwrap())
    }

    /// Raises a flag, already recorded.
    pub fn raise(&mut self, id: u32, kind: FlagKind, volume: u8) -> &mut FlagRow {
        let used = self.surface.flags.iter().take_while(|row| row.id.get() != 0).count();
        self.surface.flags_open = (self.surface.flags_open.get() + 1).into();
        if let Some(row) = self.surface.rows.get_mut(usize::from(volume)) {
            row.flags = (row.flags.get() + 1).into();
        }
        let row = &mut self.surface.flags[used];
        (row.id, row.kind, row.volume, row.record) = (id.into(), kind as u8, volume, NO_RECORD.into());
        (row.raised_ms, row.audit_record) = (RECORD_TIME_MS.into(), u64::from(id + 10).into());
        row
    }

    /// The orchestrator has done with an acknowledgement.
    pub fn acknowledge(&mut self, id: u32, tag: u32, recorded: bool) {
        self.end_acknowledgement(id, tag, if recorded { Acknowledged::Yes } else { Acknowledged::No });
    }

    /// The orchestrator has done with an acknowledgement, and this is where it stands.
    pub fn end_acknowledgement(&mut self, id: u32, tag: u32, state: Acknowledged) {
        let row = self.surface.flags.iter_mut().find(|row| row.id.get() == id).unwrap();
        (row.tag, row.acknowledged) = (tag.into(), state as u8);
        if state != Acknowledged::No {
            self.surface.flags_open = (self.surface.flags_open.get() - 1).into();
        }
    }

    /// The orchestrator has done with a lifecycle command.
    pub fn complete(&mut self, archive: usize, tag: u32, state: ArchiveState, completion: Completion) {
        let row = &mut self.surface.rows[archive];
        (row.state, row.target, row.moving) = (state as u8, state as u8, 0);
        (row.command_tag, row.completion) = (tag.into(), completion as u8);
    }

    /// The orchestrator has read these records of the audit record, of so many.
    pub fn bring_history(&mut self, tag: u32, events: &[Event], end: u64) {
        self.surface.history[..events.len()].copy_from_slice(events);
        self.surface.history_len = (events.len() as u32).into();
        (self.surface.history_tag, self.surface.history_end) = (tag.into(), end.into());
    }
}
