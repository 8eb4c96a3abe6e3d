//! The orchestrator as the console meets it: answers to orders, and what they lead to on the status page. What is
//! done here shows when the status page is published.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use totebox_domain::FaultKind;
use totebox_manifest::conversation::{MESSAGE_HEADER, queue};
use totebox_manifest::{Link, Role};
use totebox_protocol::audit::{EventRow, FoundRange, NO_RANGES, NO_RECORD};
use totebox_protocol::flag::{Acknowledged, FlagKind, FlagRow};
use totebox_protocol::operator::{Completion, Order, Reason, Refusal, Request};
use totebox_protocol::page::ArchiveState;
use totebox_protocol::trace::NoteRow;
use totebox_shm::testing::mapped;
use totebox_shm::{Consumer, Producer, queue_pair};
use zerocopy::{FromZeros, IntoBytes};

use super::{Harness, RECORD_TIME_MS};

/// An order and its reason, or why it says nothing.
type Received = Result<(Order, Reason), Refusal>;

/// The orchestrator's end of the queue. It answers pings at once, and orders as it is told to.
pub struct TestOrchestrator {
    requests: Consumer,
    pub replies: Producer,
    /// It takes nothing.
    pub hung: bool,
    /// The order it is busy with.
    busy: Option<(Request, Received)>,
    /// The answers to the next orders; without one it stays busy with an order.
    answers: VecDeque<Result<u32, Refusal>>,
    /// Orders that came and were not looked at by the test: not pings.
    pub orders: Vec<Received>,
    /// Pings it has answered.
    pub pings: usize,
}

impl TestOrchestrator {
    pub(super) fn new(link: &Link) -> Self {
        let form = queue(Role::Orchestrator, Role::Console).unwrap();
        let (replies, requests) = queue_pair(mapped(), link, form).unwrap();
        let (answers, orders) = (VecDeque::new(), Vec::new());
        TestOrchestrator { requests, replies, hung: false, busy: None, answers, orders, pings: 0 }
    }

    /// Does what it can; whether that was something.
    pub(super) fn run(&mut self) -> bool {
        let mut moved = false;
        while !self.hung {
            let (request, order) = match self.busy.take() {
                Some(busy) => busy,
                None if self.requests.available().unwrap() == 0 => break,
                None => self.take_request(),
            };
            let outcome = match order {
                Err(refusal) => Err(refusal),
                Ok((Order::Ping, _)) => {
                    self.pings += 1;
                    Ok(0)
                }
                Ok(_) => match self.answers.pop_front() {
                    Some(answer) => answer,
                    None => {
                        self.busy = Some((request, order));
                        break;
                    }
                },
            };
            assert!(self.replies.send(request.answer(outcome).as_bytes(), &[]).unwrap());
            moved = true;
        }
        moved
    }

    fn take_request(&mut self) -> (Request, Received) {
        let mut request = Request::new_zeroed();
        self.requests.read(0, request.as_mut_bytes());
        let order = request.decode(|data| self.requests.read(MESSAGE_HEADER, data));
        self.requests.release();
        if !matches!(order, Ok((Order::Ping, _))) {
            self.orders.push(order.clone());
        }
        (request, order)
    }
}

impl Harness {
    /// Has the orchestrator answer the next order like this.
    pub fn answer_order(&mut self, outcome: Result<u32, Refusal>) {
        self.peer.answers.push_back(outcome);
    }

    /// The last order that came to the orchestrator, and its reason.
    pub fn last_order(&mut self) -> (Order, Reason) {
        self.peer.orders.pop().expect("an order").expect("it says something")
    }

    /// Raises a flag, already recorded.
    pub fn raise(&mut self, id: u32, kind: FlagKind, volume: u8) -> &mut FlagRow {
        let used = self.status_page.flags.iter().take_while(|row| row.id.get() != 0).count();
        self.status_page.flags_open = (self.status_page.flags_open.get() + 1).into();
        if let Some(row) = self.status_page.rows.get_mut(usize::from(volume)) {
            row.flags = (row.flags.get() + 1).into();
        }
        let row = &mut self.status_page.flags[used];
        (row.id, row.kind, row.volume, row.record) = (id.into(), kind.number(), volume, NO_RECORD.into());
        match kind {
            FlagKind::Fault => row.what = FaultKind::Other as u8,
            FlagKind::Lifecycle => row.detail = (ArchiveState::Active as u64).into(),
            _ => {}
        }
        (row.raised_ms, row.audit_record) = (RECORD_TIME_MS.into(), u64::from(id + 10).into());
        row
    }

    /// The orchestrator has done with an acknowledgement.
    pub fn acknowledge(&mut self, id: u32, tag: u32, recorded: bool) {
        self.end_acknowledgement(id, tag, if recorded { Acknowledged::Yes } else { Acknowledged::No });
    }

    /// The orchestrator has done with an acknowledgement, and this is where it stands.
    pub fn end_acknowledgement(&mut self, id: u32, tag: u32, state: Acknowledged) {
        let row = self.status_page.flags.iter_mut().find(|row| row.id.get() == id).unwrap();
        (row.tag, row.acknowledged) = (tag.into(), state as u8);
        if state != Acknowledged::No {
            self.status_page.flags_open = (self.status_page.flags_open.get() - 1).into();
        }
    }

    /// The orchestrator has done with a lifecycle command.
    pub fn complete(&mut self, archive: usize, tag: u32, state: ArchiveState, completion: Completion) {
        let row = &mut self.status_page.rows[archive];
        (row.state, row.target, row.moving) = (state as u8, state as u8, 0);
        (row.command_tag, row.completion) = (tag.into(), completion as u8);
    }

    /// The orchestrator has read these records of the audit record, of so many.
    pub fn bring_history(&mut self, tag: u32, events: &[EventRow], end: u64) {
        self.status_page.history[..events.len()].copy_from_slice(events);
        self.status_page.history_len = (events.len() as u32).into();
        (self.status_page.history_tag, self.status_page.history_end) = (tag.into(), end.into());
    }

    /// The orchestrator has read a trace with these events.
    pub fn bring_trace(&mut self, tag: u32, notes: &[NoteRow]) {
        self.status_page.notes[..notes.len()].copy_from_slice(notes);
        (self.status_page.trace_tag, self.status_page.notes_len) = (tag.into(), (notes.len() as u32).into());
    }

    /// The orchestrator shows the findings of a volume, of so many in all.
    pub fn bring_findings(&mut self, tag: u32, findings: u32, more: &[FoundRange]) {
        self.status_page.more = NO_RANGES;
        self.status_page.more[..more.len()].copy_from_slice(more);
        (self.status_page.findings_tag, self.status_page.findings) = (tag.into(), findings.into());
    }
}
