//! The orchestrator's requests, and the way back for the reports on them.
//!
//! Requests are taken at once; verifications then wait for their turn, and entries for room in the audit
//! record. Reports to an orchestrator that broke its protocol are dropped; their records are in the audit
//! record all the same.

use heapless::Deque;
use ledger_fmt::record::Kind;
use totebox_domain::{Kernel, SetupError};
use totebox_link::Endpoint;
use totebox_manifest::{Manifest, Role, VOLUMES_MAX};
use totebox_protocol::audit::{Asked, Entered, Entry, Report, Reported, Request};
use totebox_shm::Mapped;

use super::entry;
use super::history::History;
use super::journal::Journal;
use super::payload::Payload;
use super::replay::Replay;
use super::verification::Job;

/// The record that the orchestrator wants entered, if it is one.
fn record(entry: Option<Entry>, replay: &Replay) -> Option<(Kind, Payload)> {
    let entry = entry?;
    entry::write(&entry, entry.volume.and_then(|volume| replay.name(volume)))
}

pub struct Inbox {
    link: Endpoint<Report, Request>,
    volumes: usize,
    /// Verifications that wait; an orchestrator asks for one of each volume at most.
    jobs: Deque<Job, VOLUMES_MAX>,
    /// A request that was copied out and waits for room.
    held: Option<Result<Asked, Reported>>,
}

impl Inbox {
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<Inbox, SetupError> {
        let link = Endpoint::open(manifest, mapped, Role::Orchestrator, 0)?;
        Ok(Inbox { link, volumes: manifest.volumes().len(), jobs: Deque::new(), held: None })
    }

    /// Takes the requests that have come, as long as there is room for what they lead to.
    pub fn take(&mut self, journal: &mut Journal, history: &mut History, replay: &Replay, wall_ms: u64) {
        while let Some(asked) = self.next() {
            match asked {
                Ok(Asked::Verify { .. }) if self.jobs.is_full() => return self.hold(asked),
                Ok(Asked::Verify { volume, tag, scope }) => {
                    self.jobs.push_back(Job { volume, tag, scope }).expect("not full");
                }
                Ok(Asked::History { .. }) if !journal.is_open() || !history.is_idle() => return self.hold(asked),
                Ok(Asked::History { tag, from, count }) => history.begin(tag, from, count, journal),
                Ok(Asked::Ping) => {}
                Ok(Asked::Record { .. }) if !journal.can_take() => return self.hold(asked),
                Ok(Asked::Record { tag, entry }) => match record(entry, replay) {
                    Some(record) => journal.enter(tag, record, wall_ms),
                    None => journal.pass(Reported::Entered { tag, outcome: Entered::NotServed }),
                },
                Err(_) if journal.is_full() => return self.hold(asked),
                Err(refusal) => journal.pass(refusal),
            }
        }
    }

    /// Lets a request wait for room.
    fn hold(&mut self, asked: Result<Asked, Reported>) {
        self.held = Some(asked);
    }

    /// The oldest request, copied out and decoded once; or the report on one that is not served.
    fn next(&mut self) -> Option<Result<Asked, Reported>> {
        if self.link.is_broken() {
            return None;
        }
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        let request = self.link.peek()?;
        let asked = Asked::decode(&request, |body| self.link.data(body), self.volumes);
        self.link.release();
        let Request { op, volume, tag, .. } = request;
        Some(asked.ok_or(Reported::NotServed(op, volume, tag.get())))
    }

    pub fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    pub fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Sends the reports that can leave: what the audit record said at start first.
    pub fn send(
        &mut self,
        kernel: &mut dyn Kernel,
        journal: &mut Journal,
        history: &mut History,
        replay: &mut Replay,
    ) {
        while journal.is_open()
            && let Some(recollection) = replay.recollection()
            && self.send_one(&recollection)
        {
            replay.has_told();
        }
        if replay.recollection().is_none() {
            while let Some(report) = journal.settled()
                && self.send_one(&report)
            {
                journal.left();
            }
            while let Some(report) = history.report(journal.extent().0)
                && self.send_one(&report)
            {
                history.has_left();
            }
        }
        self.link.notify(kernel);
    }

    /// Sends one report; false if it has to wait for room. One to a broken orchestrator is dropped.
    fn send_one(&mut self, report: &Reported) -> bool {
        report.encode(|header, body| self.link.send(header, body)) || self.link.is_broken()
    }
}
