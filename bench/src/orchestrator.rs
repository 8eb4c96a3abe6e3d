//! The orchestrator's part: has the auditor verify volumes.

use anyhow::{Context, Result, ensure};
use totebox_manifest::{LinkKind, Role, conversation};
use totebox_protocol::audit::{Ending, Op, Report, Request};
use totebox_shm::{Consumer, Producer, queue_pair, testing};
use totebox_tests::sim::World;
use zerocopy::{FromZeros, IntoBytes};

use crate::rig::Rig;

/// The orchestrator, joined to the auditor.
pub struct Orchestrator {
    pd: usize,
    channel: u8,
    requests: Producer,
    reports: Consumer,
    tag: u32,
}

impl Orchestrator {
    /// The orchestrator of a machine.
    pub fn new(world: &World) -> Result<Orchestrator> {
        let pd = world.pd(Role::Orchestrator, 0);
        let manifest = world.manifest(pd);
        let link = manifest.link(Role::Auditor, 0, LinkKind::Queue).context("the auditor has a queue")?;
        let form = conversation::queue(Role::Orchestrator, Role::Auditor).context("the auditor has a queue")?;
        let (requests, reports) = queue_pair(testing::mapped(), link, form).context("the auditor has a queue")?;
        Ok(Orchestrator { pd, channel: link.channel, requests, reports, tag: 0 })
    }

    /// Has a volume audited in full. Returns the records the auditor found.
    pub fn audit(&mut self, rig: &mut Rig, volume: u8) -> Result<u64> {
        self.tag += 1;
        let mut request = Request::new_zeroed();
        (request.op, request.volume, request.tag) = (Op::VerifyFull as u8, volume, self.tag.into());
        let sent = self.requests.send(request.as_bytes(), &[]).ok().context("the auditor broke the protocol")?;
        ensure!(sent, "the auditor takes no requests");
        rig.world.notify(self.pd, self.channel);
        loop {
            while self.reports.available().ok().context("the auditor broke the protocol")? > 0 {
                let mut report = Report::new_zeroed();
                self.reports.read(0, report.as_mut_bytes());
                self.reports.release();
                rig.world.notify(self.pd, self.channel);
                // What comes unasked has tag 0.
                if report.tag.get() == self.tag {
                    let verdict = Ending::from_wire(report.verdict);
                    ensure!(verdict == Some(Ending::Clean), "volume {volume} is not clean: {report:?}");
                    return Ok(report.records.get());
                }
            }
            rig.step()?;
        }
    }
}
