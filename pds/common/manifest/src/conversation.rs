//! What flows between which domains, and how much room it gets: the one place where the size of a
//! region between two PDs is decided. The host tool lays regions out by it, the PDs slice them by it.

use crate::{LinkKind, Role};

/// Bytes at the start of a queue region: the indices (see `totebox-shm`).
pub const QUEUE_HEADER: usize = 64;

/// Bytes of the fixed message header at the start of every slot.
pub const MESSAGE_HEADER: usize = 64;

/// Document or block bytes one vault message carries: 8 blocks, the largest run.
pub const VAULT_DATA: usize = 32 * 1024;

/// Document bytes one console message carries: more than a line of the operator's protocol holds.
pub const INTAKE_DATA: usize = 4096;

/// Body bytes of an audit request or report: a record of the audit record, or a verification's findings, the first of
/// them one by one and the others in ranges.
pub const AUDIT_DATA: usize = 1856;

/// Bytes behind an order's header: an acknowledgement's reason, and room to see that one is too long.
pub const ORDER_DATA: usize = 128;

/// Page granularity of regions.
pub const PAGE: usize = 4096;

/// Bytes of the orchestrator's surface: a row per volume, the flags, a stretch of the audit record.
pub const SURFACE_SIZE: usize = 32 * 1024;

/// The form of one queue: its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueForm {
    /// Bytes of one slot, [`MESSAGE_HEADER`] included; a multiple of 8.
    pub slot_size: usize,
    /// Slots in the ring.
    pub slots: usize,
}

impl QueueForm {
    const fn new(data: usize, slots: usize) -> QueueForm {
        QueueForm { slot_size: MESSAGE_HEADER + data, slots }
    }

    /// Bytes of the region that holds it, in whole pages.
    pub const fn region_size(self) -> usize {
        (QUEUE_HEADER + self.slot_size * self.slots).next_multiple_of(PAGE)
    }
}

/// The ring `from` writes for `to`; `None` if there is no queue between them. Queues are symmetric:
/// both directions have the same form.
pub const fn queue(from: Role, to: Role) -> Option<QueueForm> {
    match (from, to) {
        (Role::Archive | Role::Auditor, Role::Vault) | (Role::Vault, Role::Archive | Role::Auditor) => {
            Some(QueueForm::new(VAULT_DATA, 8))
        }
        (Role::Orchestrator, Role::Vault) | (Role::Vault, Role::Orchestrator) => Some(QueueForm::new(128, 16)),
        (Role::Console, Role::Archive) | (Role::Archive, Role::Console) => Some(QueueForm::new(INTAKE_DATA, 16)),
        (Role::Orchestrator, Role::Auditor) | (Role::Auditor, Role::Orchestrator) => {
            Some(QueueForm::new(AUDIT_DATA, 64))
        }
        (Role::Console, Role::Orchestrator) | (Role::Orchestrator, Role::Console) => {
            Some(QueueForm::new(ORDER_DATA, 16))
        }
        _ => None,
    }
}

/// The ring `from` writes for `to`, for constants that follow from it: what does not exist does not compile.
pub const fn ring(from: Role, to: Role) -> QueueForm {
    match queue(from, to) {
        Some(form) => form,
        None => panic!("these two roles share no queue"),
    }
}

/// The most slots a ring between `with` and anybody else has.
pub const fn slots_max(with: Role) -> usize {
    let roles = [Role::Archive, Role::Orchestrator, Role::Auditor, Role::Vault, Role::Console, Role::Clock];
    let (mut max, mut i) = (0, 0);
    while i < roles.len() {
        if let Some(form) = queue(with, roles[i])
            && form.slots > max
        {
            max = form.slots;
        }
        i += 1;
    }
    max
}

/// Bytes of the page `from` publishes for `to` (and for whoever else reads it); `None` if none.
pub const fn page(from: Role, to: Role) -> Option<usize> {
    match (from, to) {
        // The lifecycle command and the health of an archive; the auditor compares the claimed head.
        (Role::Orchestrator, Role::Archive) | (Role::Archive, Role::Orchestrator | Role::Auditor) => Some(PAGE),
        // The state of every volume.
        (Role::Vault, Role::Orchestrator) => Some(PAGE),
        // What the operator sees.
        (Role::Orchestrator, Role::Console) => Some(SURFACE_SIZE),
        // The time, for whoever writes it into records, and for the console, which watches the clock.
        (Role::Clock, Role::Orchestrator | Role::Archive | Role::Auditor | Role::Console) => Some(PAGE),
        _ => None,
    }
}

/// Whether two domains share a channel, and of which kind: each needs one only where something must
/// wake the other. Where they share a queue, its channel serves their pages, too: the orchestrator of the
/// largest deployment has no channel to spare.
pub const fn channel(a: Role, b: Role, kind: LinkKind) -> bool {
    use Role::*;
    match kind {
        LinkKind::Queue => queue(a, b).is_some(),
        LinkKind::Page => {
            matches!(
                (a, b),
                (Orchestrator, Archive | Clock)
                    | (Archive | Clock, Orchestrator)
                    | (Console, Clock)
                    | (Clock, Console)
            )
        }
    }
}
