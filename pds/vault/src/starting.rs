//! A volume on its way into service: recovery, and making durable what it found before anyone is told.

use totebox_domain::device::{BlockDevice, IoError};
use totebox_protocol::vault::VolumeState;

use super::disk::{Buffer, Disk, Span, Waiter};
use super::recovery::{Found, LookedAt};
use super::start::Start;
use super::volume::{Upload, Volume};

impl Volume {
    /// Goes on as far as that is possible without waiting.
    pub fn advance_start<D: BlockDevice>(&mut self, disk: &mut Disk<D>) {
        if matches!(self.start, Start::Recovering { busy: false, .. }) {
            self.read_on(disk);
        }
        if self.start.awaits().is_some_and(|ticket| ticket > self.durable) {
            return;
        }
        if matches!(self.start, Start::Settling(_)) {
            let current = self.hint.batches == Some(self.committed.batches);
            self.start = if current { Start::Served } else { Start::Hinting };
        }
        if matches!(self.start, Start::Hinting)
            && let Some(ticket) = self.write_hint(disk)
        {
            self.start = Start::Hinted(ticket);
            return;
        }
        if matches!(self.start, Start::Hinted(_)) {
            self.start = Start::Served;
        }
        if matches!(self.start, Start::Served) && self.state == VolumeState::Recovering {
            self.state = match (disk.writable(), self.committed.sealed) {
                (false, _) => VolumeState::ReadOnly,
                (true, true) => VolumeState::Sealed,
                (true, false) => VolumeState::Ready,
            };
        }
    }

    fn read_on<D: BlockDevice>(&mut self, disk: &mut Disk<D>) {
        let Start::Recovering { recovery, busy } = &mut self.start else { return };
        let capacity = disk.device().capacity();
        if capacity < self.first_block + self.layout.blocks {
            let state = if capacity == 0 { VolumeState::NoDisk } else { VolumeState::DiskTooSmall };
            return self.give_up(state);
        }
        let span = recovery_span(self.first_block, recovery.wants(&self.layout));
        // A client may be looking at these blocks while they are overwritten; then this one waits.
        if disk.conflicts(span, false) {
            return;
        }
        if let Some(buffer) = disk.take() {
            *busy = true;
            disk.read(buffer, self.number, Waiter::Recovery, span);
        }
    }

    /// A transfer of the recovery has ended.
    pub fn recovered<D: BlockDevice>(
        &mut self,
        disk: &mut Disk<D>,
        buffer: Buffer,
        read: bool,
        result: Result<(), IoError>,
    ) {
        let writable = disk.writable();
        let Start::Recovering { recovery, busy } = &mut self.start else {
            return disk.give_back(buffer);
        };
        *busy = false;
        if result.is_err() {
            let found = *recovery.found();
            self.take_found(&found);
            disk.give_back(buffer);
            return self.give_up(VolumeState::Failed);
        }
        let outcome = if read {
            let (block, blocks) = recovery.wants(&self.layout);
            let span = recovery_span(self.first_block, (block, blocks));
            let bytes = &mut disk.bytes(&buffer)[..span.bytes()];
            let outcome = recovery.take(bytes, &self.superblock, &self.layout, writable);
            if matches!(outcome, LookedAt::WriteBack) {
                *busy = true;
                self.submitted = disk.write(buffer, self.number, Waiter::Recovery, span);
                return;
            }
            outcome
        } else {
            recovery.resume(&self.layout)
        };
        disk.give_back(buffer);
        match outcome {
            LookedAt::Read | LookedAt::WriteBack => {}
            LookedAt::Unusable(state) => {
                let found = *recovery.found();
                self.take_found(&found);
                self.give_up(state);
            }
            LookedAt::Found => {
                let found = *recovery.found();
                self.take_found(&found);
                // The newest hint may be in the disk's cache alone: see `HintState::ticket`.
                self.hint.ticket = disk.mark();
                // Without batches it is the only one, and must not be lost once there are any.
                let known = found.hinted_batches == Some(found.frontier.batches) && found.frontier.batches > 0;
                let settled = known && !found.cleared;
                self.start = if settled || !writable { Start::Served } else { Start::Settling(disk.mark()) };
            }
        }
    }

    fn take_found(&mut self, found: &Found) {
        self.committed = found.frontier;
        self.committed_header = found.header_block;
        self.next = found.frontier;
        self.upload = Upload::after(&found.frontier);
        self.hint.slot = found.hint_slot;
        self.hint.held = found.hints;
        (self.identified, self.seen) = (found.identified, found.seen);
        self.hint.batches = found.hinted_batches;
        self.hint.assets_next = found.frontier.assets_next;
        self.hint.assets_written = found.assets_written(&self.layout);
        self.hint.said = found.hints.map(|hint| hint.map(|hint| hint.assets_written.get()));
    }

    pub(super) fn give_up(&mut self, state: VolumeState) {
        self.state = state;
        if !matches!(self.start, Start::Served) {
            self.start = Start::GivenUp;
        }
    }
}

/// What a recovery wants, counted from the start of the disk.
fn recovery_span(first_block: u64, (block, blocks): (u64, usize)) -> Span {
    Span { block: first_block + block, blocks }
}
