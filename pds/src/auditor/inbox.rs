//! The orchestrator's requests, and the way back for the reports on them.
//!
//! Requests are taken at once; verifications then wait for their turn. An orchestrator whose indices cannot
//! be is *broken*: nothing is read from it any more, and reports are dropped; their records are in the
//! audit record all the same.

use heapless::Deque;
use totebox_manifest::conversation::{self, QueueForm};
use totebox_manifest::{LinkKind, Manifest, Role, VOLUMES_MAX};
use totebox_shm::{Consumer, Mapped, PeerError, Producer, queue_pair};
use zerocopy::{FromZeros, IntoBytes};

use super::journal::Journal;
use super::verification::Job;
use crate::proto::audit::{NO_RECORD, Op, Report, Request, Verdict};
use crate::{Channel, Kernel, SetupError};

const RING: QueueForm = match conversation::queue(Role::Orchestrator, Role::Auditor) {
    Some(form) => form,
    None => panic!("orchestrator and auditor share a queue"),
};

/// The link to the orchestrator.
pub struct Inbox {
    from_orchestrator: Consumer,
    to_orchestrator: Producer,
    channel: Channel,
    volumes: usize,
    /// Verifications that wait; an orchestrator asks for one of each volume at most.
    jobs: Deque<Job, VOLUMES_MAX>,
    broken: bool,
    /// Whether the orchestrator is to be woken: a slot was freed or a report sent.
    unannounced: bool,
}

impl Inbox {
    /// Opens the link to the orchestrator.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<Inbox, SetupError> {
        let missing = SetupError::Link(Role::Orchestrator, LinkKind::Queue);
        let link = manifest.link(Role::Orchestrator, 0, LinkKind::Queue).ok_or(missing)?;
        let (to_orchestrator, from_orchestrator) = queue_pair(mapped, link, RING).ok_or(missing)?;
        Ok(Inbox {
            from_orchestrator,
            to_orchestrator,
            channel: Channel::of(link).ok_or(missing)?,
            volumes: manifest.volumes().len(),
            jobs: Deque::new(),
            broken: false,
            unannounced: false,
        })
    }

    /// Takes the requests that have come, as long as there is room for what they lead to.
    pub fn take(&mut self, journal: &mut Journal) {
        while !self.broken && !self.jobs.is_full() && !journal.is_full() {
            match self.from_orchestrator.available() {
                Ok(0) => return,
                Ok(_) => {}
                Err(PeerError) => {
                    self.broken = true;
                    return;
                }
            }
            let mut request = Request::new_zeroed();
            self.from_orchestrator.read(0, request.as_mut_bytes());
            self.from_orchestrator.release();
            self.unannounced = true;
            match self.verification(&request) {
                Some(job) => self.jobs.push_back(job).expect("not full"),
                None => journal.pass(refusal(&request)),
            }
        }
    }

    /// The verification asked for, if the request is for one.
    fn verification(&self, request: &Request) -> Option<Job> {
        let plain = request.reserved == [0; 2]
            && request.len.get() == 0
            && request.count.get() == 0
            && request.number.get() == 0
            && request.reserved_tail == [0; 40];
        let full = Op::from_wire(request.op) == Some(Op::VerifyFull);
        let served = full && usize::from(request.volume) < self.volumes && plain;
        served.then_some(Job { volume: request.volume, tag: request.tag.get() })
    }

    /// The verification that is next.
    pub fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// Sends the reports that can leave.
    pub fn send(&mut self, kernel: &mut dyn Kernel, journal: &mut Journal) {
        while let Some((report, verified)) = journal.settled() {
            if !self.broken {
                match self.to_orchestrator.send(report.as_bytes(), verified.as_bytes()) {
                    Ok(true) => self.unannounced = true,
                    Ok(false) => break,
                    Err(PeerError) => self.broken = true,
                }
            }
            journal.left();
        }
        if core::mem::take(&mut self.unannounced) && !self.broken {
            kernel.notify(self.channel);
        }
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
