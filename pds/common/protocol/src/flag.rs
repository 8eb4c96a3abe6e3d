//! Flags: what the orchestrator wants an operator to look at. A flag is sticky: it stays until the operator
//! acknowledges it with a reason.
//!
//! | module | what |
//! |---|---|
//! | here | what a flag is, and every kind of flag in one table |
//! | [`row`] | a flag in a message and on the status page |
//! | [`table`] | a bounded table of flags |

use ledger_fmt::layout::Area;
use ledger_fmt::verify::{Finding, FindingKind};
use totebox_domain::Fault;
use totebox_manifest::Role;

use super::lifecycle::Standing;
use super::vault::VolumeState;
use super::wire_enum;

pub mod row;
pub mod table;

pub use row::{Arguments, FlagRow, NO_VOLUME, OVERWRITTEN};
pub use table::Flags;

/// Flags kept and shown at most, the most serious open ones first. The others are counted.
pub const FLAGS_MAX: usize = 64;

/// One row a kind. Everything that is said of a kind anywhere follows from its row.
macro_rules! flag_kinds {
    ($($kind:ident = $number:literal, $name:literal, severity $severity:literal, $when:ident, $text:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FlagKind {
            /// What a verification found. Number, name, severity and text are the finding's.
            Finding(FindingKind),
            $(#[doc = $text] $kind,)*
            /// None of these: see [`About::Unknown`].
            Unknown,
        }

        impl FlagKind {
            /// The kinds beside the findings, by number.
            const OTHERS: &[FlagKind] = &[$(FlagKind::$kind),*];

            /// The kind with this number; `None` if there is none.
            pub const fn from_wire(n: u8) -> Option<FlagKind> {
                $(const { assert!(FindingKind::from_u8($number).is_none(), "the number of a finding") };)*
                match n {
                    $($number => Some(FlagKind::$kind),)*
                    n => match FindingKind::from_u8(n) {
                        Some(kind) => Some(FlagKind::Finding(kind)),
                        None => None,
                    },
                }
            }

            pub const fn number(self) -> u8 {
                match self {
                    FlagKind::Finding(kind) => kind.number(),
                    $(FlagKind::$kind => $number,)*
                    FlagKind::Unknown => 0,
                }
            }

            pub const fn name(self) -> &'static str {
                match self {
                    FlagKind::Finding(kind) => kind.name(),
                    $(FlagKind::$kind => $name,)*
                    FlagKind::Unknown => crate::UNKNOWN,
                }
            }

            /// How serious it is; the highest comes first.
            pub const fn severity(self) -> u8 {
                match self {
                    FlagKind::Finding(kind) => kind.severity(),
                    $(FlagKind::$kind => $severity,)*
                    FlagKind::Unknown => 0,
                }
            }

            pub const fn text(self) -> &'static str {
                match self {
                    FlagKind::Finding(kind) => kind.text(),
                    $(FlagKind::$kind => $text,)*
                    FlagKind::Unknown => "what it says cannot be read",
                }
            }

            const fn when(self) -> When {
                match self {
                    FlagKind::Finding(_) | FlagKind::Unknown => When::Lasts,
                    $(FlagKind::$kind => When::$when,)*
                }
            }
        }
    };
}

/// Whether a flag tells of a condition or of an event.
enum When {
    /// A condition, which is found again as long as it lasts: an acknowledged one is not raised anew.
    Lasts,
    /// An event: another one is news.
    Happens,
}

// Number, name in every message and in the audit record, severity, and what it means, for a person. Numbers and names
// stay as they are: they are in audit records.
flag_kinds! {
    MissingVolume = 32, "missing-volume", severity 3, Lasts, "its volume is not in service";
    Fault = 33, "fault", severity 2, Happens, "it faulted and was stopped";
    Hung = 34, "hung", severity 2, Happens, "it gives no sign of life";
    StopTimeout = 35, "stop-timeout", severity 2, Happens, "it did not come to rest in its time and was stopped";
    Protocol = 36, "protocol", severity 2, Happens, "its page is invalid, or the vault has cut it off";
    Refused = 37, "refused", severity 2, Happens, "the vault refused requests that no sound archive makes";
    CrossCheck = 38, "cross-check", severity 2, Lasts, "its own scrub and the audits disagree";
    Lifecycle = 39, "lifecycle", severity 2, Lasts, "its own ledger and the audit record name different states";
    AuditVolume = 40, "audit-volume", severity 5, Lasts,
        "the audit record takes no records: what happens is not recorded";
    Degraded = 41, "degraded", severity 1, Happens, "a domain that is not an archive is not working";
    ClockBack = 42, "clock-back", severity 1, Happens, "the wall clock was set back";
    AuditNearlyFull = 43, "audit-nearly-full", severity 3, Lasts,
        "the audit record is nearly full: soon it takes no audit results, and then nothing";
}

impl FlagKind {
    pub fn all() -> impl Iterator<Item = FlagKind> {
        let findings = FindingKind::ALL.iter().map(|&kind| FlagKind::Finding(kind));
        findings.chain(FlagKind::OTHERS.iter().copied())
    }

    pub fn from_name(name: &str) -> Option<FlagKind> {
        FlagKind::all().find(|kind| kind.name() == name)
    }
}

wire_enum! {
    /// How a domain that is not an archive is not working.
    Loss: u8 {
        /// It breaks its protocol, or does not do what it is there for.
        Fails = 0,
        /// It gives no sign of life.
        Silent = 1,
        /// It lives, but its device completes nothing.
        Device = 2,
    }
}

wire_enum! {
    #[derive(Default)]
    Acknowledged: u8 {
        /// The operator has not acknowledged it.
        #[default]
        No = 0, "no";
        /// The operator has; it is being recorded.
        Recording = 1, "recording";
        Yes = 2, "yes";
        /// Acknowledged, but the audit record does not say so yet: if it never does, the next start opens it again.
        Unrecorded = 3, "unrecorded";
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub area: Area,
    pub block: u64,
    pub record: Option<u64>,
}

impl Place {
    pub const fn of(finding: &Finding) -> Place {
        let Finding { area, block, record, .. } = *finding;
        Place { area, block, record }
    }
}

/// What a flag says: its kind, with all that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Finding(Finding),
    /// The vault found a hint damaged, and has written a newer one over it. Its kind is that of a damaged hint.
    HintOverwritten(Place),
    /// The vault cannot serve the volume, which is in this state.
    MissingVolume(VolumeState),
    /// The archive faulted and was stopped.
    Fault(Fault),
    /// The archive gives no sign of life.
    Hung,
    /// The archive did not come to rest in its time and was stopped.
    StopTimeout,
    /// What the archive publishes is invalid, or the vault has cut it off.
    Protocol,
    /// The vault has refused so many requests since its start that no archive in order makes.
    Refused(u64),
    /// The archive's own scrub and the audits disagree about this place.
    CrossCheck(Place),
    /// The archive's own ledger tells of this state, which is not the audit record's; or the volume could not be
    /// sealed.
    Lifecycle(Standing),
    /// The audit record takes no records, or so many events had to be left out before it took some again.
    AuditVolume {
        /// Events left out; 0 while it takes none.
        left_out: u64,
    },
    /// The audit record has little room left, and that is kept: see `audit_room` of the ledger writer.
    AuditNearlyFull,
    /// A domain beside the archives does not work.
    Degraded(Role, Loss),
    /// The wall clock was set back by so many milliseconds.
    ClockBack(u64),
    /// What the flag says cannot be read. It is shown all the same: see [`FlagRow::shown`].
    Unknown,
}

impl About {
    pub const fn kind(&self) -> FlagKind {
        match self {
            About::Finding(finding) => FlagKind::Finding(finding.kind),
            About::HintOverwritten(_) => FlagKind::Finding(FindingKind::Hint),
            About::MissingVolume(_) => FlagKind::MissingVolume,
            About::Fault(_) => FlagKind::Fault,
            About::Hung => FlagKind::Hung,
            About::StopTimeout => FlagKind::StopTimeout,
            About::Protocol => FlagKind::Protocol,
            About::Refused(_) => FlagKind::Refused,
            About::CrossCheck(_) => FlagKind::CrossCheck,
            About::Lifecycle(_) => FlagKind::Lifecycle,
            About::AuditVolume { .. } => FlagKind::AuditVolume,
            About::AuditNearlyFull => FlagKind::AuditNearlyFull,
            About::Degraded(..) => FlagKind::Degraded,
            About::ClockBack(_) => FlagKind::ClockBack,
            About::Unknown => FlagKind::Unknown,
        }
    }

    /// The place it is about, of findings and of [`About::CrossCheck`].
    pub const fn place(&self) -> Option<Place> {
        match self {
            About::Finding(finding) => Some(Place::of(finding)),
            About::HintOverwritten(place) | About::CrossCheck(place) => Some(*place),
            _ => None,
        }
    }

    /// Whether it tells of a condition that is found again as long as it lasts, rather than of something that
    /// happened: an acknowledged condition is not raised anew.
    pub const fn is_condition(&self) -> bool {
        // What was overwritten is not found again.
        matches!(self.kind().when(), When::Lasts) && !matches!(self, About::HintOverwritten(_))
    }

    /// What is the same in two flags about the same thing: without counts, and without where a fault was.
    const fn subject(self) -> About {
        match self {
            About::Fault(fault) => About::Fault(Fault { address: 0, instruction: 0, status: 0, ..fault }),
            About::Refused(_) => About::Refused(0),
            About::ClockBack(_) => About::ClockBack(0),
            about => about,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Its number, from 1, by which it is acknowledged; 0 as long as it has none.
    pub id: u32,
    /// The volume it is about, as the manifest numbers it; `None` if it is about none.
    pub volume: Option<u8>,
    pub about: About,
    /// When it was raised, in milliseconds since 1970-01-01 UTC.
    pub raised_ms: u64,
    /// Its sequence number in the audit record; `None` if it is not recorded.
    pub audit_record: Option<u64>,
    pub acknowledged: Acknowledged,
    /// The tag of the last [`Acknowledge`](super::operator::Op::Acknowledge) that ended; 0 if none.
    pub tag: u32,
}

impl Flag {
    pub const fn new(volume: Option<u8>, about: About) -> Flag {
        let acknowledged = Acknowledged::No;
        Flag { id: 0, volume, about, raised_ms: 0, audit_record: None, acknowledged, tag: 0 }
    }

    /// Whether the operator has not acknowledged it.
    pub const fn is_open(&self) -> bool {
        matches!(self.acknowledged, Acknowledged::No | Acknowledged::Recording)
    }

    /// Whether two flags are about the same thing: of the same kind, at the same place.
    pub fn is_same_thing(&self, other: &Flag) -> bool {
        (self.volume, self.about.subject()) == (other.volume, other.about.subject())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_their_kind() {
        for kind in FlagKind::all() {
            assert_eq!(FlagKind::from_wire(kind.number()), Some(kind));
            assert_eq!(FlagKind::from_name(kind.name()), Some(kind));
            assert!((1..=5).contains(&kind.severity()), "{kind:?}");
        }
        let known = (0..=u8::MAX).filter_map(FlagKind::from_wire).count();
        assert_eq!(known, FlagKind::all().count());
    }

    #[test]
    fn the_documentation_of_the_audit_record_names_every_kind() {
        let text = include_str!("../../../../docs/audit-record.md");
        for kind in FlagKind::all() {
            assert!(text.contains(&alloc::format!("`{}`", kind.name())), "{kind:?}");
        }
    }
}
