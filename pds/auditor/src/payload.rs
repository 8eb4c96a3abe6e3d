//! What the audit record's records say, as `docs/audit-record.md` has it: what all kinds share, and the start of the
//! appliance. The results of verifications are in `result.rs`, what the orchestrator has recorded in `entry.rs`.

use heapless::Vec;
use ledger_fmt::cbor::{self, Map, MapWriter};
use ledger_fmt::layout::Area;
use ledger_fmt::payload::PAYLOAD_MAX;
use totebox_manifest::Header;

/// A payload.
pub type Payload = Vec<u8, PAYLOAD_MAX>;

/// The payload that `fill` fills; `None` if it is longer than one may be.
pub fn payload(fill: impl FnOnce(&mut MapWriter<'_, '_>)) -> Option<Payload> {
    let mut payload = Payload::new();
    payload.resize_default(PAYLOAD_MAX).expect("its capacity");
    let len = cbor::write(&mut payload, fill)?;
    payload.truncate(len);
    Some(payload)
}

/// The appliance started.
pub fn boot(header: &Header) -> Payload {
    let boot = payload(|map| {
        map.uint("archives", header.archives.into());
        map.bytes("deployment", &header.deployment);
    });
    boot.expect("far shorter than a payload may be")
}

pub fn area(map: Map<'_>) -> Option<Area> {
    let name = text(map, "area")?;
    Area::ALL.into_iter().find(|area| area.name() == name)
}

pub fn number(map: Map<'_>, key: &str) -> Option<u64> {
    map.get(key)?.uint()
}

pub fn text<'a>(map: Map<'a>, key: &str) -> Option<&'a str> {
    map.get(key)?.text()
}

#[cfg(test)]
pub mod tests {
    use alloc::format;

    use ledger_fmt::record::{Draft, Head, Kind, RECORD_MAX, Record};
    use ledger_fmt::testing::shown;
    use zerocopy::FromZeros;

    use super::*;

    pub fn has_form(kind: Kind, payload: &[u8]) -> bool {
        let mut bytes = [0; RECORD_MAX];
        let (len, _) = Draft { kind, time_ms: 0, payload }.encode(&Head::EMPTY, &mut bytes).unwrap();
        Record::decode(&bytes[..len]).unwrap().0.has_form()
    }

    #[test]
    fn a_boot_record_names_the_deployment() {
        let mut header = Header::new_zeroed();
        (header.deployment, header.archives) = ([0x0f; 16], 3);
        let deployment = "0f".repeat(16);
        assert_eq!(shown(&boot(&header)), format!(r#"{{"archives":3,"deployment":"{deployment}"}}"#));
        assert!(has_form(Kind::Boot, &boot(&header)));
    }
}
