//! What a verification can find: every kind of finding in one table.

use crate::layout::Area;

/// One row a kind. Everything that is said of a kind anywhere follows from its row.
macro_rules! finding_kinds {
    ($($kind:ident = $number:literal, $name:literal, severity $severity:literal, $shown:ident $text:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum FindingKind {
            $(#[doc = $text] $kind = $number,)*
        }

        impl FindingKind {
            pub const ALL: &[FindingKind] = &[$(FindingKind::$kind),*];

            pub const fn from_u8(n: u8) -> Option<FindingKind> {
                match n {
                    $($number => Some(FindingKind::$kind),)*
                    _ => None,
                }
            }

            const fn row(self) -> (&'static str, u8, Shown, &'static str) {
                match self {
                    $(FindingKind::$kind => ($name, $severity, Shown::$shown, $text),)*
                }
            }
        }
    };
}

/// Whether the line of a flag gives the text of its kind.
enum Shown {
    /// No: the bytes at the place are wrong, and kind and place say that.
    Place,
    /// Yes: the bytes at the place may be sound, and contradict what is known from elsewhere.
    Text,
}

// Number, name in every message and in the audit record, severity (the highest is shown first), text for a person.
// Numbers and names stay as they are: they are in audit records.
finding_kinds! {
    Superblock = 1, "superblock", severity 4, Place "the superblock is not the one this volume must have";
    Hint = 2, "hint", severity 1, Place "the frontier hint is damaged, missing, or contradicts the batches";
    BatchHeader = 3, "batch", severity 4, Place "the batch header of a committed batch is damaged or missing";
    Record = 4, "record", severity 3, Place "damaged, or not of the form its kind must have";
    Chain = 5, "chain", severity 4, Place "it does not continue the record before";
    Tree = 6, "tree", severity 4, Place "the tree it states is not that of the records before it";
    Asset = 7, "asset", severity 3, Place "the content is not what was committed";
    Rollback = 8, "rollback", severity 4, Text "the volume is older than what is known of it";
    HeadDisagreement = 9, "head-disagreement", severity 3, Text "the archive claims another head than its ledger has";
    Unreadable = 10, "unreadable", severity 2, Place "cannot be read";
}

impl FindingKind {
    pub const fn number(self) -> u8 {
        self as u8
    }

    pub const fn name(self) -> &'static str {
        self.row().0
    }

    pub fn from_name(name: &str) -> Option<FindingKind> {
        FindingKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// How serious it is, from 1 to 4.
    pub const fn severity(self) -> u8 {
        self.row().1
    }

    pub const fn text(self) -> &'static str {
        self.row().3
    }

    /// Whether a line that names kind and place also needs the text.
    pub const fn needs_text(self) -> bool {
        matches!(self.row().2, Shown::Text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    pub kind: FindingKind,
    pub area: Area,
    pub block: u64,
    pub record: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_their_kind() {
        for &kind in FindingKind::ALL {
            assert_eq!(FindingKind::from_u8(kind.number()), Some(kind));
            assert_eq!(FindingKind::from_name(kind.name()), Some(kind));
            assert!((1..=4).contains(&kind.severity()), "{kind:?}");
        }
        let known = (0..=u8::MAX).filter_map(FindingKind::from_u8).count();
        assert_eq!(known, FindingKind::ALL.len());
        assert_eq!(FindingKind::from_name("dragon"), None);
    }
}
