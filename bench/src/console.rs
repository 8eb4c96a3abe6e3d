//! The console's part: submits documents of one block to archives, and counts their receipts.

use anyhow::{Context, Result, bail};
use totebox_manifest::conversation::{self, MESSAGE_HEADER};
use totebox_manifest::{LinkKind, Role};
use totebox_protocol::intake::{Answer, Failure, Op, Reply, Request};
use totebox_shm::{Consumer, Producer, queue_pair, testing};
use totebox_tests::sim::World;
use zerocopy::{FromZeros, IntoBytes};

use crate::record::{RECORD, Records};
use crate::rig::{Rig, Step};

/// Bytes of a document's name.
pub const NAME_LEN: usize = 8;

/// The console, joined to every archive.
pub struct Console {
    pd: usize,
    links: Vec<Link>,
}

/// The console's end of the queue to one archive.
struct Link {
    channel: u8,
    requests: Producer,
    answers: Consumer,
    records: Records,
    /// Documents that were submitted, and that have their receipts.
    submitted: u64,
    receipts: u64,
    /// The next message of the document that is being submitted.
    next: Op,
}

impl Console {
    /// The console of a machine.
    pub fn new(world: &World) -> Result<Console> {
        let pd = world.pd(Role::Console, 0);
        let manifest = world.manifest(pd);
        let form = conversation::queue(Role::Console, Role::Archive).context("archives have queues")?;
        let links = manifest
            .links()
            .iter()
            .filter(|link| link.kind == LinkKind::Queue as u8 && Role::from_u8(link.peer) == Some(Role::Archive));
        let links = links.map(|link| {
            let (requests, answers) = queue_pair(testing::mapped(), link, form).context("archives have queues")?;
            let (submitted, receipts) = (0, 0);
            let records = Records::new();
            Ok(Link { channel: link.channel, requests, answers, records, submitted, receipts, next: Op::PutBegin })
        });
        Ok(Console { pd, links: links.collect::<Result<_>>()? })
    }

    /// Has every archive commit `count` documents in batches of `batch`. `depth` batches are under way at a time:
    /// with one, each waits for the receipts of the one before; with two, one is taken in while the one before is
    /// made durable.
    pub fn submit(&mut self, rig: &mut Rig, count: u64, batch: u64, depth: u64) -> Result<()> {
        let begins: Vec<u64> = self.links.iter().map(|link| link.receipts).collect();
        let mut begun = 1;
        loop {
            for (link, begin) in self.links.iter_mut().zip(&begins) {
                let taken = link.take()?;
                let complete = (link.receipts - begin) / batch;
                let granted = begin + ((complete + begun) * batch).min(count);
                if link.send(granted)? || taken {
                    rig.world.notify(self.pd, link.channel);
                }
            }
            if self.links.iter().zip(&begins).all(|(link, begin)| link.receipts == begin + count) {
                return Ok(());
            }
            loop {
                match rig.step()? {
                    Step::Notified(pd) if pd == self.pd => break,
                    // The batches so far are with the disk: time for the next.
                    Step::Waited if begun < depth => {
                        begun += 1;
                        break;
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Link {
    /// Takes what the archive answers; whether there was anything.
    fn take(&mut self) -> Result<bool> {
        let mut taken = false;
        while self.answers.available().ok().context("an archive broke the protocol")? > 0 {
            let mut reply = Reply::new_zeroed();
            self.answers.read(0, reply.as_mut_bytes());
            self.answers.release();
            taken = true;
            match Answer::from_wire(reply.answer) {
                Some(Answer::Ready) => {}
                Some(Answer::Receipt) => self.receipts += 1,
                _ => bail!("a document was refused: {:?}", Failure::from_wire(reply.code)),
            }
        }
        Ok(taken)
    }

    /// Sends documents until so many were submitted, as far as the ring has room; whether anything was sent.
    fn send(&mut self, granted: u64) -> Result<bool> {
        let mut sent = false;
        while self.submitted < granted {
            let mut request = Request::new_zeroed();
            (request.op, request.tag) = ((self.next as u16).into(), (self.submitted as u32).into());
            let name;
            let data: &[u8] = match self.next {
                Op::PutBegin => {
                    request.value = (RECORD as u64).into();
                    name = decimal(self.submitted);
                    &name
                }
                Op::PutData => self.records.get(self.submitted),
                _ => &[],
            };
            request.len = (data.len() as u32).into();
            if !self.requests.send(request.as_bytes(), data).ok().context("an archive broke the protocol")? {
                break;
            }
            sent = true;
            self.next = match self.next {
                Op::PutBegin => Op::PutData,
                Op::PutData => Op::PutEnd,
                _ => {
                    self.submitted += 1;
                    Op::PutBegin
                }
            };
        }
        Ok(sent)
    }
}

/// The name of a document: its number in decimal.
fn decimal(number: u64) -> [u8; NAME_LEN] {
    let digit = |place: usize| b'0' + (number / 10_u64.pow((NAME_LEN - 1 - place) as u32) % 10) as u8;
    core::array::from_fn(digit)
}

const _: () = assert!(RECORD <= conversation::INTAKE_DATA && MESSAGE_HEADER == size_of::<Request>());
