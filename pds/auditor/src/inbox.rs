//! The orchestrator's requests, and the way back for the reports on them.
//!
//! Requests are taken at once; verifications then wait for their turn, and entries for room in the audit
//! record. Reports to an orchestrator that broke its protocol are dropped; their records are in the audit
//! record all the same.

use heapless::Deque;
use totebox_domain::{Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::{Manifest, Role, VOLUMES_MAX};
use totebox_protocol::audit::{Entry, NO_RECORD, Op, Report, Request, Verdict};
use totebox_shm::Mapped;
use zerocopy::{FromZeros, IntoBytes};

use super::history::History;
use super::journal::Journal;
use super::memory::{Memory, Recollection};
use super::payload;
use super::verification::Job;

/// The link to the orchestrator.
pub struct Inbox {
    link: Endpoint<Report, Request>,
    volumes: usize,
    /// Verifications that wait; an orchestrator asks for one of each volume at most.
    jobs: Deque<Job, VOLUMES_MAX>,
    /// A request that was copied out and waits for room.
    held: Option<(Request, Entry)>,
}

impl Inbox {
    /// Opens the link to the orchestrator.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<Inbox, SetupError> {
        let link = Endpoint::open(manifest, mapped, Role::Orchestrator, 0)?;
        Ok(Inbox { link, volumes: manifest.volumes().len(), jobs: Deque::new(), held: None })
    }

    /// Takes the requests that have come, as long as there is room for what they lead to.
    pub fn take(&mut self, journal: &mut Journal, history: &mut History, memory: &Memory, wall_ms: u64) {
        while let Some((request, entry)) = self.next() {
            match self.kind(&request) {
                Some(Op::VerifyFull | Op::VerifyIncremental) if self.jobs.is_full() => return,
                Some(op @ (Op::VerifyFull | Op::VerifyIncremental)) => {
                    let job = Job { volume: request.volume, tag: request.tag.get(), op };
                    self.jobs.push_back(job).expect("not full");
                }
                Some(Op::History) if !journal.is_open() || !history.is_idle() => return,
                Some(Op::History) => history.begin(&request, journal),
                Some(Op::Ping) => {}
                Some(Op::Record) if !journal.can_take() => return,
                Some(Op::Record) => match payload::entry(&entry, memory.name(entry.volume)) {
                    Some(record) => journal.enter(&request, record, wall_ms),
                    None => journal.pass(refusal(&request)),
                },
                _ if journal.is_full() => return,
                _ => journal.pass(refusal(&request)),
            }
            self.held = None;
        }
    }

    /// The oldest request, copied out once.
    fn next(&mut self) -> Option<(Request, Entry)> {
        if self.held.is_none() {
            let request = self.link.peek()?;
            let mut entry = Entry::new_zeroed();
            self.link.data(entry.as_mut_bytes());
            self.link.release();
            self.held = Some((request, entry));
        }
        self.held.filter(|_| !self.link.is_broken())
    }

    /// What is asked for, if the request is one.
    fn kind(&self, request: &Request) -> Option<Op> {
        let op = Op::from_wire(request.op)?;
        let (len, count, number) = (request.len.get() as usize, request.count.get(), request.number.get());
        let plain = len == 0 && count == 0 && number == 0;
        let formed = match op {
            Op::VerifyFull | Op::VerifyIncremental => plain && usize::from(request.volume) < self.volumes,
            Op::Record => len == size_of::<Entry>() && count == 0 && number == 0,
            Op::History => len == 0,
            Op::Ping => plain && request.tag.get() == 0,
            Op::RestoreVolume | Op::RestoreFlag => false,
        };
        (formed && request.reserved == [0; 2] && request.reserved_tail == [0; 40]).then_some(op)
    }

    /// The verification that is next.
    pub fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// Whether verifications wait.
    pub fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Sends the reports that can leave: what the audit record said at start first.
    pub fn send(
        &mut self,
        kernel: &mut dyn Kernel,
        journal: &mut Journal,
        history: &mut History,
        memory: &mut Memory,
    ) {
        while journal.is_open()
            && let Some(recollection) = memory.recollection()
            && match recollection {
                Recollection::Volume(report, remembered) => self.send_one(&report, remembered.as_bytes()),
                Recollection::Flag(report, row) => self.send_one(&report, row.as_bytes()),
            }
        {
            memory.has_told();
        }
        if memory.recollection().is_none() {
            while let Some((report, verified)) = journal.settled()
                && self.send_one(&report, verified.as_bytes())
            {
                journal.left();
            }
            while let Some((report, event)) = history.report(journal.extent().0)
                && self.send_one(&report, event.as_bytes())
            {
                history.has_left();
            }
        }
        self.link.notify(kernel);
    }

    /// Sends one report; false if it has to wait for room. One to a broken orchestrator is dropped.
    fn send_one(&mut self, report: &Report, body: &[u8]) -> bool {
        self.link.send(report, body) || self.link.is_broken()
    }
}

/// The report on a request that is not served.
fn refusal(request: &Request) -> Report {
    let mut report = Report::new_zeroed();
    (report.op, report.volume, report.tag) = (request.op, request.volume, request.tag);
    report.verdict = Verdict::NotVerified as u8;
    report.record = NO_RECORD.into();
    report
}
