//! The form of the operator's orders, and the ones refused for what they say.

use totebox_manifest::conversation::ORDER_DATA;
use totebox_protocol::operator::{ALL_VOLUMES, LATEST, REASON_MAX};

use super::*;

/// Every order but the ping, which asks for nothing.
fn ops() -> impl Iterator<Item = Op> {
    (0..=u8::MAX).filter_map(Op::from_wire).filter(|&op| op != Op::Ping)
}

/// A command that would be accepted. Most orders are about a volume.
fn good(op: Op) -> (Request, &'static [u8]) {
    let mut request = Request { op: op as u8, volume: 1, ..Request::new_zeroed() };
    match op {
        Op::Acknowledge => (request.volume, request.number) = (0, 1.into()),
        Op::History => (request.volume, request.number) = (0, LATEST.into()),
        Op::Trace => request.number = (Role::Archive as u64).into(),
        _ => {}
    }
    (request, if op == Op::Acknowledge { b"seen" } else { b"" })
}

/// An orchestrator with a flag, and with archive 1 suspended if that is to be resumed.
fn harness(op: Op) -> Harness {
    let mut harness = Harness::settled();
    harness.set_volume(2, VolumeState::Damaged);
    harness.record_all();
    if op == Op::Resume {
        harness.command(Op::Suspend, 1).unwrap();
        harness.record_all();
        harness.obey(1);
    }
    harness
}

#[test]
fn a_command_with_anything_it_does_not_take_is_refused() {
    for op in ops() {
        let (request, reason) = good(op);
        let mut harness = harness(op);
        let before = harness.status_page();
        let mut refuse = |request: Request, reason: &[u8], why: &str| {
            assert_eq!(harness.call(request, reason), Err(Refusal::BadRequest), "{op:?}: {why}");
        };
        for len in [ORDER_DATA as u16 + 1, u16::MAX] {
            refuse(Request { len: len.into(), ..request }, &[], "longer than a message");
        }
        for byte in 0..48 {
            let mut reserved = [0; 48];
            reserved[byte] = 1;
            refuse(Request { reserved, ..request }, reason, "a reserved byte");
        }
        for unknown in (0..=u8::MAX).filter(|&number| Op::from_wire(number).is_none()) {
            refuse(Request { op: unknown, ..request }, &[], "an unknown command");
        }
        if op != Op::Acknowledge {
            refuse(request, b"x", "a reason");
        }
        match op {
            Op::Acknowledge | Op::History => refuse(Request { volume: 1, ..request }, reason, "a volume"),
            Op::Trace => {
                for number in [0, 99, 256 + Role::Archive as u64, u64::MAX] {
                    refuse(Request { number: number.into(), ..request }, &[], "no role");
                }
                let number = (Role::Vault as u64).into();
                refuse(Request { number, ..request }, &[], "one of which there is one alone");
            }
            _ => refuse(Request { number: 1.into(), ..request }, &[], "a number"),
        }
        assert_eq!(harness.status_page(), before, "{op:?}");
        let name = harness.call(request, reason).unwrap_or_else(|outcome| panic!("{op:?}: {outcome:?}"));
        assert_ne!(name, 0);
    }
}

#[test]
fn only_the_console_commands() {
    let mut harness = Harness::settled();
    let (request, _) = good(Op::Suspend);
    harness.answers();
    for channel in [harness.auditor, harness.clock, harness.archives[0], harness.vault_channel] {
        harness.notify(channel);
    }
    assert_eq!((harness.answers().len(), harness.entries().len()), (0, 0));
    harness.call(request, &[]).expect("its queue has the order");
}

#[test]
fn no_more_orders_are_taken_than_there_is_room_for_answers() {
    let mut harness = Harness::settled();
    harness.answers();
    let ping = Request { op: Op::Ping as u8, ..Request::new_zeroed() };
    let tags: Vec<u32> = (0..16).map(|_| harness.leave_order(ping, &[])).collect();
    harness.notify(harness.console);
    let more = harness.leave_order(ping, &[]);
    harness.notify(harness.console);
    let answered: Vec<u32> = harness.answers().iter().map(|reply| reply.tag.get()).collect();
    assert_eq!(answered, tags, "in their order");
    harness.notify(harness.console);
    assert_eq!(harness.answers()[0].tag.get(), more);
    assert_eq!(harness.status_page().degraded, 0);
}

#[test]
fn a_console_whose_queue_cannot_be_is_cut_off_and_flagged() {
    let mut harness = Harness::settled();
    harness.console_region.store(0, u64::MAX);
    harness.notify(harness.console);
    assert_eq!(kinds(&harness.record_all()), "degraded");
    assert_eq!(harness.status_page().degraded, degraded::CONSOLE);
    let flag = harness.flags()[0];
    assert_eq!((flag.what, flag.detail.get()), (Role::Console as u8, Loss::Silent as u64));
}

#[test]
fn before_the_record_was_read_nothing_is_taken_up() {
    // What a domain noted last needs no record.
    for op in ops().filter(|&op| op != Op::Trace) {
        let mut harness = Harness::new();
        harness.start();
        let (request, reason) = good(op);
        assert_eq!(harness.call(request, reason), Err(Refusal::NotReady), "{op:?}");
    }
}

#[test]
fn each_command_has_a_tag_of_its_own() {
    let mut harness = harness(Op::Suspend);
    let mut tags: Vec<u32> = [Op::Verify, Op::Suspend, Op::Acknowledge, Op::History]
        .into_iter()
        .map(|op| {
            let (request, reason) = good(op);
            harness.call(request, reason).unwrap()
        })
        .collect();
    tags.dedup();
    assert_eq!(tags.len(), 4);
}

#[test]
fn volumes_there_are_not_cannot_be_verified() {
    let mut harness = Harness::settled();
    for volume in [AUDIT + 1, usize::from(ALL_VOLUMES) - 1] {
        assert_eq!(harness.command(Op::Verify, volume), Err(Refusal::UnknownArchive));
    }
    assert!(harness.jobs().is_empty());
    harness.command(Op::Verify, AUDIT).expect("the audit volume can be");
}

#[test]
fn an_acknowledgement_needs_a_flag_and_a_reason() {
    let long = [b'a'; REASON_MAX + 1];
    let mut harness = harness(Op::Acknowledge);
    for id in [0, 2, u64::from(u32::MAX), (1 << 32) + 1, u64::MAX] {
        assert_eq!(harness.acknowledge(id, b"seen"), Err(Refusal::UnknownFlag), "{id}");
    }
    let cases: [(&[u8], Refusal); 8] = [
        (b"", Refusal::ReasonMissing),
        (b"  ", Refusal::ReasonMissing),
        (&long, Refusal::ReasonTooLong),
        (b"a\nb", Refusal::ReasonUnreadable),
        (b"a\0", Refusal::ReasonUnreadable),
        (b"\x1b[2J", Refusal::ReasonUnreadable),
        ("a\u{85}".as_bytes(), Refusal::ReasonUnreadable),
        (b"\xff\xfe", Refusal::ReasonUnreadable),
    ];
    for (reason, outcome) in cases {
        assert_eq!(harness.acknowledge(1, reason), Err(outcome), "{reason:?}");
    }
    assert!(harness.entries().is_empty());
    assert_eq!(harness.flags()[0].acknowledged, Acknowledged::No as u8);
    harness.acknowledge(1, &long[..REASON_MAX]).expect("the longest there is");
}
