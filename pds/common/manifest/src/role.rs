//! The roles: every kind of protection domain there is, in one row each. What differs between domains and
//! follows from their role alone (names, CPU, stack, trust) stands here and nowhere else.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// `archive-NAME`.
    Archive = 1,
    Orchestrator = 2,
    Auditor = 3,
    Vault = 4,
    Console = 5,
    Clock = 6,
}

/// What is true of every domain in a role.
#[derive(Clone, Copy, Debug)]
pub struct RoleInfo {
    pub role: Role,
    /// Its program's name, and that of its domain unless it is an archive.
    pub name: &'static str,
    /// "a vault".
    pub one: &'static str,
    /// "vaults".
    pub many: &'static str,
    /// What it does, for the comment in `system.xml`.
    pub does: &'static str,
    /// The same for its box in the picture, a line each.
    pub in_short: &'static [&'static str],
    /// Whether it may stand between two archives: it is trusted not to carry one's data to the other.
    pub mediates: bool,
    pub volumes: KnownVolumes,
    /// Whether it has a signing key, in a region of its own.
    pub signs: bool,
    pub cpu: Cpu,
    /// Bytes of its stack.
    pub stack_size: u64,
    pub stack_reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownVolumes {
    None,
    Own,
    All,
}

/// A role's place on the CPU. Archives share what services leave, so their `percent` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The highest that is ready runs; 0 to 254. Roles are at least 20 apart.
    pub priority: u8,
    pub percent: u32,
    /// Microseconds in which it gets its share.
    pub period_us: u32,
    /// Why that priority and that share.
    pub reason: &'static str,
}

/// The period of a service domain, and the grain of an archive's, in microseconds.
pub const PERIOD_US: u32 = 10_000;

/// Every role: the services in the order of their windows in memory, then the archives.
pub const ROLES: [RoleInfo; 6] = [
    RoleInfo {
        role: Role::Orchestrator,
        name: "orchestrator",
        one: "an orchestrator",
        many: "orchestrators",
        does: "registry, lifecycle and flags; parent of the archives: it gets their faults and can stop them",
        in_short: &["registry, lifecycle, audits, flags"],
        mediates: true,
        volumes: KnownVolumes::All,
        signs: false,
        cpu: Cpu {
            priority: 160,
            percent: 5,
            period_us: PERIOD_US,
            reason: "above the archives it stops, the auditor it commands and the console it answers; little work",
        },
        stack_size: 64 << 10,
        stack_reason: "a copy of the status page of 25 KiB may stand on it, and more than that for the rest",
    },
    RoleInfo {
        role: Role::Auditor,
        name: "auditor",
        one: "an auditor",
        many: "auditors",
        does: "verifies volumes from disk and keeps the audit record",
        in_short: &["verifies every volume; keeps the audit record"],
        mediates: true,
        volumes: KnownVolumes::All,
        signs: true,
        cpu: Cpu {
            priority: 120,
            percent: 15,
            period_us: PERIOD_US,
            reason: "hashes whole volumes for as long as it is let, so its share is a bound on audits",
        },
        stack_size: 384 << 10,
        stack_reason: "while the domain is made, of 44 KiB, it may stand on it four times, and a verifier of 40 KiB on \
                       that twice; and a third of that for the rest",
    },
    RoleInfo {
        role: Role::Vault,
        name: "vault",
        one: "a vault",
        many: "vaults",
        does: "drives the disk; the write-once gate over every volume",
        in_short: &["write-once gate,", "disk driver"],
        mediates: true,
        volumes: KnownVolumes::All,
        signs: false,
        cpu: Cpu {
            priority: 180,
            percent: 28,
            period_us: PERIOD_US,
            reason: "before its clients, so that the disk is never idle while they work; digests every run",
        },
        stack_size: 128 << 10,
        stack_reason: "a message of 32 KiB and a hasher of 2 KiB may stand on it, and twice that for the rest",
    },
    RoleInfo {
        role: Role::Console,
        name: "console",
        one: "a console",
        many: "consoles",
        does: "drives the serial line; the operator's protocol",
        in_short: &["operator's", "line protocol"],
        mediates: true,
        volumes: KnownVolumes::All,
        signs: false,
        cpu: Cpu {
            priority: 140,
            percent: 15,
            period_us: PERIOD_US,
            reason: "keeps up with the serial line while archives and auditor work",
        },
        stack_size: 64 << 10,
        stack_reason: "a copy of the status page of 25 KiB may stand on it, and more than that for the rest",
    },
    RoleInfo {
        role: Role::Clock,
        name: "clock",
        one: "a clock",
        many: "clocks",
        does: "ticks, and the time",
        in_short: &["ticks, time"],
        mediates: false,
        volumes: KnownVolumes::None,
        signs: false,
        cpu: Cpu {
            priority: 200,
            percent: 2,
            // A tick. What its start or a tick needs it gets in one go, so that the time is there before
            // anybody writes it into a record.
            period_us: 100_000,
            reason: "first, so that ticks are never late; a tick is a few microseconds of work",
        },
        stack_size: 16 << 10,
        stack_reason: "the clock holds a page of time, and nothing deeper than a formatted error",
    },
    RoleInfo {
        role: Role::Archive,
        name: "archive",
        one: "an archive",
        many: "archives",
        does: "takes documents in, commits and serves them",
        in_short: &[],
        mediates: false,
        volumes: KnownVolumes::Own,
        signs: true,
        cpu: Cpu {
            priority: 100,
            percent: 0,
            period_us: PERIOD_US,
            reason: "below everybody else, and no more than its share: its siblings have theirs whatever it does",
        },
        stack_size: 128 << 10,
        stack_reason: "a message of 32 KiB and a hasher of 2 KiB may stand on it, and twice that for the rest",
    },
];

/// Domains of which there is one each: all that are no archives.
pub const SERVICES: [Role; ROLES.len() - 1] = {
    let mut services = [Role::Orchestrator; ROLES.len() - 1];
    let mut i = 0;
    while i < services.len() {
        services[i] = ROLES[i].role;
        i += 1;
    }
    services
};

impl Role {
    pub const fn from_u8(n: u8) -> Option<Role> {
        let mut i = 0;
        while i < ROLES.len() {
            if ROLES[i].role as u8 == n {
                return Some(ROLES[i].role);
            }
            i += 1;
        }
        None
    }

    pub const fn info(self) -> &'static RoleInfo {
        let mut i = 0;
        while ROLES[i].role as u8 != self as u8 {
            i += 1;
        }
        &ROLES[i]
    }

    /// The name of its program, and of its domain unless it is an archive.
    pub const fn name(self) -> &'static str {
        self.info().name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_row_and_archives_are_last() {
        for (at, info) in ROLES.iter().enumerate() {
            assert_eq!(ROLES.iter().position(|other| other.role.name() == info.role.name()), Some(at));
            assert_eq!(Role::from_u8(info.role as u8), Some(info.role));
        }
        assert!(!SERVICES.contains(&Role::Archive));
        assert_eq!((Role::from_u8(0), Role::from_u8(255)), (None, None));
    }

    #[test]
    fn archives_run_last_and_services_leave_them_something() {
        assert!(SERVICES.iter().all(|role| role.info().cpu.priority > Role::Archive.info().cpu.priority));
        assert!(SERVICES.iter().map(|role| role.info().cpu.percent).sum::<u32>() < 100);
    }
}
