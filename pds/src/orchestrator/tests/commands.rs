//! The form of the operator's commands, and the ones refused for what they say.

use super::*;
use crate::proto::operator::{ALL_VOLUMES, LATEST, REASON_MAX};

const OPS: [Op; 6] = [Op::Verify, Op::Suspend, Op::Resume, Op::Archive, Op::Acknowledge, Op::History];

/// A command that would be accepted.
fn good(op: Op) -> (Request, &'static [u8]) {
    let mut request = Request { op: op as u8, volume: 1, ..Request::new_zeroed() };
    match op {
        Op::Acknowledge => (request.volume, request.number) = (0, 1.into()),
        Op::History => (request.volume, request.number) = (0, LATEST.into()),
        Op::Verify | Op::Suspend | Op::Resume | Op::Archive => {}
    }
    (request, if op == Op::Acknowledge { b"seen" } else { b"" })
}

/// An orchestrator with a flag, and with archive 1 suspended if that is to be resumed.
fn bench(op: Op) -> Bench {
    let mut bench = Bench::settled();
    bench.set_volume(2, VolumeState::Damaged);
    bench.record_all();
    if op == Op::Resume {
        bench.command(Op::Suspend, 1).unwrap();
        bench.record_all();
        bench.obey(1);
    }
    bench
}

#[test]
fn a_command_with_anything_it_does_not_take_is_refused() {
    for op in OPS {
        let (request, reason) = good(op);
        let mut bench = bench(op);
        let before = bench.surface();
        let mut refuse = |bytes: &[u8], why: &str| {
            assert_eq!(bench.call(bytes), Err(Outcome::BadRequest), "{op:?}: {why}");
        };
        for len in 0..size_of::<Request>() {
            refuse(&request.as_bytes()[..len], "cut short");
        }
        for byte in 0..6 {
            let mut reserved = [0; 6];
            reserved[byte] = 1;
            refuse(&[Request { reserved, ..request }.as_bytes(), reason].concat(), "a reserved byte");
        }
        for unknown in [0, 7, 255] {
            refuse(Request { op: unknown, ..request }.as_bytes(), "an unknown command");
        }
        if op != Op::Acknowledge {
            refuse(&[request.as_bytes(), b"x"].concat(), "a reason");
        }
        match op {
            Op::Acknowledge | Op::History => {
                refuse(&[Request { volume: 1, ..request }.as_bytes(), reason].concat(), "a volume");
            }
            _ => refuse(Request { number: 1.into(), ..request }.as_bytes(), "a number"),
        }
        assert_eq!(bench.surface(), before, "{op:?}");
        bench.call(&[request.as_bytes(), reason].concat()).unwrap_or_else(|outcome| panic!("{op:?}: {outcome:?}"));
    }
}

#[test]
fn only_the_console_commands() {
    let mut bench = Bench::settled();
    let (request, _) = good(Op::Suspend);
    let mut reply = [0; 8];
    for channel in [bench.auditor, bench.clock, bench.archives[0], bench.vault_channel] {
        assert_eq!(bench.orchestrator.protected(&mut bench.kernel, channel, request.as_bytes(), &mut reply), 0);
    }
    assert_eq!((reply, bench.entries().len()), ([0; 8], 0));
    let len = bench.orchestrator.protected(&mut bench.kernel, bench.console, &[], &mut []);
    assert_eq!(len, 0, "no room for the answer");
}

#[test]
fn before_the_record_was_read_nothing_is_taken_up() {
    for op in OPS {
        let mut bench = Bench::new();
        bench.start();
        let (request, reason) = good(op);
        assert_eq!(bench.call(&[request.as_bytes(), reason].concat()), Err(Outcome::NotReady), "{op:?}");
    }
}

#[test]
fn each_command_has_a_tag_of_its_own() {
    let mut bench = bench(Op::Suspend);
    let mut tags: Vec<u32> = [Op::Verify, Op::Suspend, Op::Acknowledge, Op::History]
        .into_iter()
        .map(|op| {
            let (request, reason) = good(op);
            bench.call(&[request.as_bytes(), reason].concat()).unwrap()
        })
        .collect();
    tags.dedup();
    assert_eq!(tags.len(), 4);
}

#[test]
fn volumes_there_are_not_cannot_be_verified() {
    let mut bench = Bench::settled();
    for volume in [AUDIT + 1, usize::from(ALL_VOLUMES) - 1] {
        assert_eq!(bench.command(Op::Verify, volume), Err(Outcome::UnknownArchive));
    }
    assert!(bench.jobs().is_empty());
    bench.command(Op::Verify, AUDIT).expect("the audit volume can be");
}

#[test]
fn an_acknowledgement_needs_a_flag_and_a_reason() {
    let long = [b'a'; REASON_MAX + 1];
    let mut bench = bench(Op::Acknowledge);
    for id in [0, 2, u64::from(u32::MAX), (1 << 32) + 1, u64::MAX] {
        assert_eq!(bench.acknowledge(id, b"seen"), Err(Outcome::UnknownFlag), "{id}");
    }
    let cases: [(&[u8], Outcome); 8] = [
        (b"", Outcome::ReasonMissing),
        (b"  ", Outcome::ReasonMissing),
        (&long, Outcome::ReasonTooLong),
        (b"a\nb", Outcome::ReasonUnreadable),
        (b"a\0", Outcome::ReasonUnreadable),
        (b"\x1b[2J", Outcome::ReasonUnreadable),
        ("a\u{85}".as_bytes(), Outcome::ReasonUnreadable),
        (b"\xff\xfe", Outcome::ReasonUnreadable),
    ];
    for (reason, outcome) in cases {
        assert_eq!(bench.acknowledge(1, reason), Err(outcome), "{reason:?}");
    }
    assert!(bench.entries().is_empty());
    assert_eq!(bench.flags()[0].acknowledged, Acknowledged::No as u8);
    bench.acknowledge(1, &long[..REASON_MAX]).expect("the longest there is");
}
