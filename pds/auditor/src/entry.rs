//! What the orchestrator has recorded, as a payload: flags, acknowledgements, transitions, faults; written, and read back.

use ledger_fmt::cbor::{Map, MapWriter};
use ledger_fmt::layout::Area;
use ledger_fmt::record::Kind;
use totebox_domain::{Fault, FaultKind};
use totebox_protocol::audit::{AuditEvent, Entry};
use totebox_protocol::flag::{About, Arguments, FlagKind, Place};
use totebox_protocol::lifecycle::Standing;
use totebox_protocol::page::Cause;

use super::payload::{Payload, area, number, payload, text};
use super::result;

/// Bytes of a payload at most.
pub const ENTRY_MAX: usize = 512;

/// What the orchestrator wants recorded; `name` is that of the volume concerned, if one is. `None` if the
/// entry is none it can have recorded.
pub fn write(entry: &Entry, name: Option<&str>) -> Option<(Kind, Payload)> {
    // Where it happened, and how long ago: the last keys of every entry.
    let end = |map: &mut MapWriter<'_, '_>| {
        if let Some(name) = name {
            map.text("archive", name);
        }
        if entry.late_ms != 0 {
            map.uint("late_ms", entry.late_ms);
        }
    };
    let payload = match &entry.event {
        AuditEvent::Flag { id, about } => payload(|map| {
            let Arguments { instruction, .. } = flag(*id, about, map);
            end(map);
            if instruction != 0 {
                map.uint("instruction", instruction);
            }
        }),
        AuditEvent::Acknowledgement { flag, kind, reason } => payload(|map| {
            map.uint("flag", (*flag).into());
            map.text("kind", kind.name());
            map.text("reason", reason);
            end(map);
        }),
        AuditEvent::Transition { from, to, cause } if name.is_some() => payload(|map| {
            map.text("to", to.name());
            map.text("from", from.name());
            map.text("cause", cause.name());
            end(map);
        }),
        AuditEvent::Fault(Fault { kind, address, instruction, status }) if name.is_some() => payload(|map| {
            map.text("fault", kind.name());
            map.uint("status", *status);
            map.uint("address", *address);
            end(map);
            map.uint("instruction", *instruction);
        }),
        _ => None,
    };
    Some((entry.event.kind(), payload?))
}

/// The keys of a flag up to those of every entry; what is behind them is in the arguments returned.
fn flag(id: u32, about: &About, map: &mut MapWriter<'_, '_>) -> Arguments {
    let arguments = about.arguments();
    let place = about.place();
    if let Some(place) = place {
        map.text("area", place.area.name());
    }
    map.uint("flag", id.into());
    map.text("kind", about.kind().name());
    if let Some(what) = about.what_name() {
        map.text("what", what);
    }
    if let Some(place) = place {
        map.uint("block", place.block);
    }
    if arguments.detail != 0 {
        map.uint("detail", arguments.detail);
    }
    if let Some(record) = place.and_then(|place| place.record) {
        map.uint("record", record);
    }
    if arguments.status != 0 {
        map.uint("status", arguments.status);
    }
    arguments
}

/// What happened, according to the payload of a record of this kind.
pub fn read(kind: Kind, map: Map<'_>) -> Option<AuditEvent> {
    let or_0 = |key| number(map, key).unwrap_or(0);
    Some(match kind {
        Kind::Boot => AuditEvent::Boot,
        Kind::AuditResult => AuditEvent::Result(result::read(map)?),
        Kind::Flag => {
            let kind = FlagKind::from_name(text(map, "kind")?)?;
            let place = Place {
                area: area(map).unwrap_or(Area::Volume),
                block: or_0("block"),
                record: number(map, "record"),
            };
            let (detail, instruction, status) = (or_0("detail"), or_0("instruction"), or_0("status"));
            let arguments = Arguments { detail, instruction, status, ..Arguments::default() };
            let about = About::from_words(kind, text(map, "what"), arguments, place)?;
            AuditEvent::Flag { id: u32::try_from(or_0("flag")).ok().filter(|&id| id != 0)?, about }
        }
        Kind::Acknowledgement => AuditEvent::Acknowledgement {
            flag: u32::try_from(or_0("flag")).ok()?,
            kind: FlagKind::from_name(text(map, "kind")?)?,
            reason: text(map, "reason")?.try_into().ok()?,
        },
        Kind::Lifecycle => AuditEvent::Transition {
            from: Standing::from_name(text(map, "from")?)?,
            to: Standing::from_name(text(map, "to")?)?,
            cause: Cause::from_name(text(map, "cause")?)?,
        },
        Kind::Fault => AuditEvent::Fault(Fault {
            kind: FaultKind::from_name(text(map, "fault")?)?,
            address: or_0("address"),
            instruction: or_0("instruction"),
            status: or_0("status"),
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use ledger_fmt::testing::shown;
    use ledger_fmt::verify::{Finding, FindingKind};
    use totebox_manifest::Role;
    use totebox_protocol::audit::{AuditResult, Scope};
    use totebox_protocol::flag::Loss;
    use totebox_protocol::operator::Reason;

    use super::*;
    use crate::payload::tests::has_form;

    /// An entry's payload as text.
    fn written(entry: &Entry, name: Option<&str>) -> Option<String> {
        let (kind, payload) = write(entry, name)?;
        assert!(has_form(kind, &payload) && payload.len() <= ENTRY_MAX);
        Some(shown(&payload))
    }

    fn fault(kind: FaultKind, address: u64) -> Fault {
        Fault { kind, address, instruction: 8, status: 7 }
    }

    fn flag(volume: Option<u8>, about: About) -> Entry {
        Entry::new(volume, AuditEvent::Flag { id: 7, about })
    }

    #[test]
    fn entries_say_what_happened() {
        let finding = Finding { kind: FindingKind::Asset, area: Area::Assets, block: 33, record: Some(3) };
        let finance = Some("finance");
        let text = r#"{"area":"assets","flag":7,"kind":"asset","block":33,"record":3,"archive":"finance"}"#;
        assert_eq!(written(&flag(Some(1), About::Finding(finding)), finance).as_deref(), Some(text));
        let text = concat!(
            r#"{"flag":7,"kind":"fault","what":"memory","detail":4096,"status":7,"archive":"finance","#,
            r#""instruction":8}"#
        );
        let about = About::Fault(fault(FaultKind::Memory, 4096));
        assert_eq!(written(&flag(Some(1), about), finance).as_deref(), Some(text));
        let degraded = flag(None, About::Degraded(Role::Clock, Loss::Fails));
        assert_eq!(written(&degraded, None).as_deref(), Some(r#"{"flag":7,"kind":"degraded","what":"clock"}"#));

        let reason = Reason::try_from("\"known\": see C:\\disk, é").unwrap();
        let kind = FlagKind::Finding(FindingKind::Asset);
        let entry = Entry::new(Some(1), AuditEvent::Acknowledgement { flag: 7, kind, reason });
        let text = r#"{"flag":7,"kind":"asset","reason":"\"known\": see C:\\disk, é","archive":"finance"}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));

        let (from, to, cause) = (Standing::Active, Standing::Suspended, Cause::Mismatch);
        let mut entry = Entry::new(Some(1), AuditEvent::Transition { from, to, cause });
        let text = r#"{"to":"suspended","from":"active","cause":"mismatch","archive":"finance"}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));
        entry.late_ms = 60_000;
        let text = r#"{"to":"suspended","from":"active","cause":"mismatch","archive":"finance","late_ms":60000}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));

        let entry = Entry::new(Some(1), AuditEvent::Fault(fault(FaultKind::Exception, 9)));
        let text = r#"{"fault":"exception","status":7,"address":9,"archive":"finance","instruction":8}"#;
        assert_eq!(written(&entry, finance).as_deref(), Some(text));
    }

    #[test]
    fn entries_without_a_meaning_are_not_written() {
        let event = AuditEvent::Fault(fault(FaultKind::Exception, 9));
        assert_eq!(written(&Entry::new(None, event), None), None, "of no archive");
        for event in
            [AuditEvent::Genesis, AuditEvent::Boot, AuditEvent::Result(AuditResult::not_verified(Scope::Full))]
        {
            assert_eq!(written(&Entry::new(Some(1), event.clone()), Some("finance")), None, "{event:?}");
        }
    }

    #[test]
    fn the_longest_entry_fits() {
        let reason = Reason::try_from("\"".repeat(Reason::new().capacity()).as_str()).unwrap();
        let kind = FlagKind::Finding(FindingKind::HeadDisagreement);
        let acknowledgement = AuditEvent::Acknowledgement { flag: u32::MAX, kind, reason };
        let place = Place { area: Area::Input, block: u64::MAX, record: Some(u64::MAX - 1) };
        let fault = Fault { instruction: u64::MAX, status: u64::MAX, ..fault(FaultKind::Exception, u64::MAX) };
        let flags = [About::CrossCheck(place), About::Fault(fault)];
        let flags = flags.map(|about| AuditEvent::Flag { id: u32::MAX, about });
        for event in flags.into_iter().chain([acknowledgement, AuditEvent::Fault(fault)]) {
            let entry = Entry { late_ms: u64::MAX, ..Entry::new(Some(1), event) };
            assert!(written(&entry, Some(&"x".repeat(32))).is_some());
        }
    }
}
