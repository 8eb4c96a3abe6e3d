//! What flows between which domains, and how much room it gets: the one place where the size of a
//! region between two PDs is decided. The host tool lays regions out by it, the PDs slice them by it.

use crate::role::Role;
use crate::{LinkKind, ROLES};

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

/// Bytes of the orchestrator's status page: a row per volume, the flags, a stretch of the audit record.
pub const STATUS_SIZE: usize = 32 * 1024;

/// Who reads the trace that every domain keeps; its own is for itself.
pub const TRACE_READER: Role = Role::Orchestrator;

/// Rows of a trace: the last events of a domain.
pub const TRACE_ROWS: usize = 64;

/// Bytes of a row of a trace, the stamp in front of it included (see `totebox-shm`).
pub const TRACE_ROW: usize = 24;

/// Bytes of the region that holds a trace.
pub const TRACE_SIZE: usize = PAGE;

const _: () = assert!(TRACE_ROWS * TRACE_ROW <= TRACE_SIZE && TRACE_ROW.is_multiple_of(8));

/// A queue between two domains: the same form in both directions, and each end wakes the other.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    pub between: [Role; 2],
    pub form: QueueForm,
}

#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub from: Role,
    pub to: &'static [Role],
    /// Whether each reader has one of its own, so that no two of them map one frame.
    pub each: bool,
    /// Bytes.
    pub size: usize,
    /// What it is called, after its writer's name.
    pub name: &'static str,
    /// What it says; `{from}` and `{to}` stand for the names of the domains.
    pub says: &'static str,
    /// Readers with which its writer shares a channel for it. Where two domains share a queue, its channel serves
    /// their pages, too: the orchestrator of the largest deployment has no channel to spare.
    pub wakes: &'static [Role],
}

pub const QUEUES: [Queue; 6] = [
    Queue { between: [Role::Archive, Role::Vault], form: QueueForm::new(VAULT_DATA, 8) },
    Queue { between: [Role::Auditor, Role::Vault], form: QueueForm::new(VAULT_DATA, 8) },
    Queue { between: [Role::Orchestrator, Role::Vault], form: QueueForm::new(128, 16) },
    Queue { between: [Role::Console, Role::Archive], form: QueueForm::new(INTAKE_DATA, 16) },
    Queue { between: [Role::Orchestrator, Role::Auditor], form: QueueForm::new(AUDIT_DATA, 64) },
    Queue { between: [Role::Console, Role::Orchestrator], form: QueueForm::new(ORDER_DATA, 16) },
];

pub const PAGES: [Page; 5] = [
    Page {
        from: Role::Orchestrator,
        to: &[Role::Archive],
        each: true,
        size: PAGE,
        name: "lifecycle",
        says: "what state {to} is to be in",
        wakes: &[Role::Archive],
    },
    Page {
        from: Role::Archive,
        // The auditor compares the head it claims with what it finds.
        to: &[Role::Orchestrator, Role::Auditor],
        each: false,
        size: PAGE,
        name: "health",
        says: "what {from} says of its own state",
        wakes: &[Role::Orchestrator],
    },
    Page {
        from: Role::Vault,
        to: &[Role::Orchestrator],
        each: false,
        size: PAGE,
        name: "state",
        says: "the state of the disk and of every volume",
        wakes: &[],
    },
    Page {
        from: Role::Orchestrator,
        to: &[Role::Console],
        each: false,
        size: STATUS_SIZE,
        name: "status",
        says: "what the operator sees",
        wakes: &[],
    },
    Page {
        from: Role::Clock,
        // Whoever writes the time into records, and the console, which watches the clock.
        to: &[Role::Orchestrator, Role::Archive, Role::Auditor, Role::Console],
        each: true,
        size: PAGE,
        name: "time",
        says: "the time, for {to}",
        wakes: &[Role::Orchestrator, Role::Console],
    },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueForm {
    /// Bytes of one slot, [`MESSAGE_HEADER`] included; a multiple of 8.
    pub slot_size: usize,
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

const fn is(a: Role, b: Role) -> bool {
    a as u8 == b as u8
}

const fn contains(roles: &[Role], role: Role) -> bool {
    let mut i = 0;
    while i < roles.len() {
        if is(roles[i], role) {
            return true;
        }
        i += 1;
    }
    false
}

/// The ring `from` writes for `to`; `None` if there is no queue between them.
pub const fn queue(from: Role, to: Role) -> Option<QueueForm> {
    let mut i = 0;
    while i < QUEUES.len() {
        let [a, b] = QUEUES[i].between;
        if (is(a, from) && is(b, to)) || (is(a, to) && is(b, from)) {
            return Some(QUEUES[i].form);
        }
        i += 1;
    }
    None
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
    let (mut max, mut i) = (0, 0);
    while i < ROLES.len() {
        if let Some(form) = queue(with, ROLES[i].role)
            && form.slots > max
        {
            max = form.slots;
        }
        i += 1;
    }
    max
}

/// The page `from` publishes for `to`; `None` if none.
pub const fn page(from: Role, to: Role) -> Option<&'static Page> {
    let mut i = 0;
    while i < PAGES.len() {
        if is(PAGES[i].from, from) && contains(PAGES[i].to, to) {
            return Some(&PAGES[i]);
        }
        i += 1;
    }
    None
}

/// Whether two domains share a channel, and which: they need one only where something must wake the other.
pub const fn channel(a: Role, b: Role, kind: LinkKind) -> bool {
    match kind {
        LinkKind::Queue => queue(a, b).is_some(),
        LinkKind::Page => wakes(a, b) || wakes(b, a),
        LinkKind::Trace => false,
    }
}

const fn wakes(from: Role, to: Role) -> bool {
    match page(from, to) {
        Some(page) => contains(page.wakes, to),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_roles_share_one_queue_at_most_and_one_publishes_one_page_for_another() {
        for a in ROLES {
            for b in ROLES {
                let queues = QUEUES
                    .iter()
                    .filter(|queue| queue.between == [a.role, b.role] || queue.between == [b.role, a.role]);
                assert!(queues.count() <= 1, "{} and {}", a.name, b.name);
                let pages = PAGES.iter().filter(|page| page.from == a.role && page.to.contains(&b.role));
                assert!(pages.count() <= 1, "{} to {}", a.name, b.name);
            }
        }
    }

    #[test]
    fn no_page_is_read_by_two_archives() {
        let of_archives = PAGES.iter().filter(|page| page.to.contains(&Role::Archive));
        assert!(of_archives.into_iter().all(|page| page.each));
    }

    #[test]
    fn whom_a_page_wakes_reads_it() {
        assert!(PAGES.iter().all(|page| page.wakes.iter().all(|role| page.to.contains(role))));
    }
}
