//! Every message comes out as it went in, and what is no message is refused.

use alloc::vec;
use alloc::vec::Vec as List;

use ledger_fmt::layout::Area;
use ledger_fmt::verify::FindingKind;
use zerocopy::{FromBytes, IntoBytes};

use super::*;
use crate::flag::{About, Acknowledged, Flag};
use crate::lifecycle::Standing;

const VOLUMES: usize = 4;

fn finding(block: u64) -> Finding {
    Finding { kind: FindingKind::Asset, area: Area::Assets, block, record: (block > 2).then_some(block) }
}

fn result(verdict: Verdict, findings: u32) -> AuditResult {
    let (scope, first) = (Scope::Incremental, (findings > 0).then(|| finding(1)));
    let (records, bytes, duration_ms, audit_record) = (17, 40_960, 7, Some(5));
    AuditResult { scope, verdict, first, findings, records, bytes, duration_ms, audit_record }
}

fn reports() -> List<Reported> {
    let mut more = NO_RANGES;
    (more[0], more[1]) = (FoundRange::of(&finding(9)), FoundRange::of(&finding(11)));
    let first = (1..=8).map(finding).collect();
    let found = Found { first, more };
    let mut reports = List::new();
    for last in [None, Some((Verdict::Clean, 0)), Some((Verdict::Mismatch, 10)), Some((Verdict::NotVerified, 0))] {
        let last = last.map(|(verdict, findings)| LastResult {
            result: result(verdict, findings),
            ended_ms: 9,
            since_full: 3,
            more: if findings > 0 { more } else { NO_RANGES },
        });
        reports.push(Reported::Volume(
            3,
            VolumePast { standing: Standing::Archived, before: Standing::Active, last },
        ));
    }
    let (acknowledged, about) = (Acknowledged::Unrecorded, About::Finding(finding(3)));
    reports.push(Reported::Flag(Flag { id: 7, acknowledged, ..Flag::new(Some(3), about) }));
    for audit_record in [None, Some(4)] {
        let (records, last_flag, flags_hidden, last_ms) = (5, 9, 2, u64::MAX);
        let kept_out = audit_record.is_none();
        reports.push(Reported::Opened { records, last_flag, flags_hidden, last_ms, audit_record, kept_out });
    }
    for (verdict, findings) in [(Verdict::Clean, 0), (Verdict::NotVerified, 0), (Verdict::Mismatch, 10)] {
        let found = if findings > 0 { found.clone() } else { Found::NOTHING };
        let (tag, head, root, kept_out) = (8, [1; 32], [2; 32], false);
        let result = result(verdict, findings);
        reports.push(Reported::Verified { volume: 1, tag, result, kept_out, found, head, root });
    }
    for outcome in [Entered::Recorded(5), Entered::NotRecorded, Entered::NotServed] {
        reports.push(Reported::Entered { tag: 6, outcome });
    }
    let kind = totebox_domain::FaultKind::Memory;
    let fault = AuditEvent::Fault(totebox_domain::Fault { kind, address: 9, instruction: 8, status: 7 });
    let entry = EntryRow::of(&Entry::new(Some(1), fault));
    reports.push(Reported::Event { tag: 6, event: EventRow { sequence: 3.into(), time_ms: 4.into(), entry } });
    reports.push(Reported::Complete { tag: 6, records: 40, sent: 24 });
    reports
}

fn requests() -> List<Asked> {
    let event = AuditEvent::Flag { id: 3, about: About::Hung };
    vec![
        Asked::Verify { volume: 3, tag: 7, scope: Scope::Full },
        Asked::Verify { volume: 0, tag: UNASKED, scope: Scope::Incremental },
        Asked::Record { tag: 7, entry: Some(Entry { late_ms: 5, ..Entry::new(None, event) }) },
        Asked::Record { tag: 7, entry: None },
        Asked::History { tag: 7, from: Some(3), count: 24 },
        Asked::History { tag: 7, from: None, count: 24 },
        Asked::Ping,
    ]
}

/// A message as it lies in its slot: its header, and its body with zeros behind it.
fn message(header: &[u8], body: &[u8]) -> List<u8> {
    let mut bytes = [header, body].concat();
    bytes.resize(64 + totebox_manifest::conversation::AUDIT_DATA, 0);
    bytes
}

fn reported(bytes: &[u8]) -> Option<Reported> {
    let (header, body) = bytes.split_at(64);
    let report = Report::read_from_bytes(header).unwrap();
    Reported::decode(&report, |out| out.copy_from_slice(&body[..out.len()]), VOLUMES)
}

fn asked(bytes: &[u8]) -> Option<Asked> {
    let (header, body) = bytes.split_at(64);
    let request = Request::read_from_bytes(header).unwrap();
    Asked::decode(&request, |out| out.copy_from_slice(&body[..out.len()]), VOLUMES)
}

fn encoded(reported: &Reported) -> List<u8> {
    reported.encode(|report, body| message(report.as_bytes(), body))
}

#[test]
fn every_message_comes_out_as_it_went_in() {
    for report in reports() {
        assert_eq!(self::reported(&encoded(&report)), Some(report));
    }
    for request in requests() {
        let bytes = request.encode(|request, body| message(request.as_bytes(), body));
        assert_eq!(asked(&bytes), Some(request));
    }
}

#[test]
fn a_request_that_is_not_served_reads_as_not_carried_out() {
    let not_served = |op: Op| reported(&encoded(&Reported::NotServed(op as u8, 1, 9)));
    assert_eq!(not_served(Op::Record), Some(Reported::Entered { tag: 9, outcome: Entered::NotServed }));
    let verified = not_served(Op::VerifyFull);
    assert!(
        matches!(verified, Some(Reported::Verified { result, .. }) if result == AuditResult::not_verified(Scope::Full))
    );
}

/// Every value of each byte of the header, and of the first bytes of the body: what is taken for a message is one, and
/// nothing panics.
#[test]
fn what_is_no_message_is_refused() {
    let (mut taken, mut refused) = (0, 0);
    for report in reports() {
        let good = encoded(&report);
        for (at, value) in (0..64 + 200).flat_map(|at| (0..=u8::MAX).map(move |value| (at, value))) {
            let mut bytes = good.clone();
            bytes[at] = value;
            match reported(&bytes) {
                Some(report) => {
                    let again = reported(&encoded(&report));
                    // Of a verification that has nothing to say, and where bytes have no meaning, nothing is left.
                    assert_eq!(again, Some(report), "byte {at} is {value}");
                    taken += 1;
                }
                None => refused += 1,
            }
        }
    }
    assert!(taken > 1000 && refused > 1000, "{taken} {refused}");
    for request in requests() {
        let good = request.encode(|request, body| message(request.as_bytes(), body));
        for (at, value) in (0..64 + 100).flat_map(|at| (0..=u8::MAX).map(move |value| (at, value))) {
            let mut bytes = good.clone();
            bytes[at] = value;
            if let Some(request) = asked(&bytes) {
                let again = request.encode(|request, body| message(request.as_bytes(), body));
                assert_eq!(asked(&again), Some(request), "byte {at} is {value}");
            }
        }
    }
}

#[test]
fn noise_is_refused_or_read_and_nothing_panics() {
    let mut random = 1_u64;
    for _ in 0..20_000 {
        let mut bytes = vec![0; 64 + totebox_manifest::conversation::AUDIT_DATA];
        for byte in &mut bytes {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (random >> 33) as u8;
        }
        (bytes[0], bytes[2]) = (bytes[0] % 9, bytes[2] % 10);
        let _ = (reported(&bytes), asked(&bytes));
    }
}
