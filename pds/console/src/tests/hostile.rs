//! Peers that do not keep to the protocol: noise on the line, and archives taken over.

use alloc::string::String;
use alloc::vec::Vec;

use ledger_fmt::layout::Area;
use ledger_fmt::verify::FindingKind;
use totebox_domain::FaultKind;
use totebox_manifest::{ARCHIVES_MAX, Role};
use totebox_protocol::audit::{Ending, Op as Audit, Verdict};
use totebox_protocol::flag::{Acknowledged, FLAGS_MAX, FlagKind, Loss};
use totebox_protocol::intake::{Answer, Reply};
use totebox_protocol::operator::{Completion, Refusal};
use totebox_protocol::page::{ArchiveState, Check, StatusRow, VolumeStatus};
use totebox_protocol::vault::VolumeState;
use totebox_testing::Random;
use zerocopy::{FromBytes, IntoBytes};

use crate::limits::{BURST_MAX, FLAG_LINE_MAX, MORE_LINE_MAX, VOLUME_LINES_MAX};
use crate::phrases::trouble;
use crate::testing::{Document, Harness, reply};

const NAMES: [&str; 2] = ["contracts", "finance"];

/// Pieces a hostile peer puts together: nearly right lines reach further than pure noise.
const PIECES: [&[u8]; 26] = [
    b"put finance x 9\n",
    b"put finance x 99999999999\r",
    b"put contracts \"a\\x41\" 3 ",
    b"put finance text\n",
    b"@0 YWJj #e7ac20de\n",
    b"@3 ",
    b"@",
    b".\n",
    b". #b5006ea0\n",
    b"machine\n",
    b"person\n",
    b"get finance 1\n",
    b"get finance 1 18446744073709551615\n",
    b"ls finance\r\n",
    b"status\n",
    b"audit\n",
    b"flags\n",
    b"ack 1 \"\xc3\x28\" x\n",
    b"history 18446744073709551615\n",
    b"archive finance final\n",
    b"help put\n",
    b"receipt 1\n",
    b"\x03",
    b"\x7f\x15\x1b[A",
    b"\"\\\xff\xc3",
    b"\n",
];

#[test]
fn no_bytes_disturb_the_console_for_good() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut harness = Harness::up(&NAMES);
        harness.archives[1].documents.push(Document { name: "d".into(), content: (0..=255).collect() });
        let before = harness.archives[1].documents[0].clone();
        for _ in 0..200 {
            harness.answer_order(Err(Refusal::NotReady));
        }
        for _ in 0..200 {
            match random.below(4) {
                0 => {
                    let noise: Vec<u8> = (0..random.below(50)).map(|_| random.number() as u8).collect();
                    harness.bytes(&noise);
                }
                1 => harness.bytes(&alloc::vec![b'x'; random.below(5000) as usize]),
                _ => harness.bytes(PIECES[random.below(PIECES.len() as u64) as usize]),
            }
        }
        harness.bytes(b"\x03\nmachine\n");
        let output = harness.output();
        let broken = output.lines().find(|line| line.contains("broke its protocol"));
        assert_eq!(broken, None, "seed {seed}");
        let lines = harness.ask("get finance 1");
        assert!(lines[0].starts_with("=document seq=1 size=256 "), "seed {seed}: {lines:?}");
        assert!(lines[2].starts_with("+end size=256 "), "seed {seed}: {lines:?}");
        assert_eq!(harness.archives[1].documents[0], before);
    }
}

#[test]
fn an_archive_that_answers_nonsense_loses_its_link_alone() {
    let mut broken = 0;
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut harness = Harness::up_machine(&NAMES);
        harness.archives[0].hung = true;
        let request = match random.below(4) {
            0 => "ls contracts",
            1 => "get contracts 1",
            2 => "put contracts x 9",
            _ => "status",
        };
        harness.send(request);
        for _ in 0..random.below(20) {
            let mut header = reply(Answer::Ready, 1);
            random.fill(header.as_mut_bytes());
            if random.below(4) > 0 {
                // Nearly right.
                (header.answer, header.code) = (1 + random.below(8) as u8, random.below(15) as u8);
                (header.tag, header.value) = (1.into(), random.below(3).into());
                header.len = (random.below(64) as u16).into();
            }
            if !harness.archives[0].answers.send(header.as_bytes(), &[0xa5; 64]).unwrap() {
                break;
            }
            harness.notify_from(0);
        }
        harness.bytes(b"\x03\nmachine\n");
        let output = harness.output();
        broken += usize::from(output.contains("*archive contracts broke its protocol ("));
        let lines = harness.ask("ls finance");
        assert_eq!(lines.last().unwrap(), "+ls records=1", "seed {seed}");
        let lines = harness.ask("status");
        let state = if output.contains("broke its protocol") { "state=broken" } else { "state=active" };
        assert!(lines[0].contains(state), "seed {seed}: {lines:?}");
    }
    assert!(broken > 100, "only {broken} of 300 were found out");
}

#[test]
fn a_broken_archive_is_named_and_its_submissions_are_lost() {
    let mut harness = Harness::up_machine(&NAMES);
    harness.archives[0].holds_receipts = true;
    harness.ask("put contracts x 1");
    harness.ask("@0 eA==");
    let mut nonsense = Reply::read_from_bytes(&[0xff; 64]).unwrap();
    nonsense.tag = 1.into();
    harness.archives[0].answers.send(nonsense.as_bytes(), &[]).unwrap();
    harness.notify_from(0);
    let lines = harness.lines();
    assert_eq!(
        lines[0],
        "*archive contracts broke its protocol (an answer is longer than its slot); its link is closed"
    );
    assert!(lines[1].starts_with("-archive-broken:1 archive contracts was lost before it answered;"), "{lines:?}");
    let lines = harness.ask("ls contracts");
    assert!(lines[0].starts_with("-archive-broken archive contracts "), "{lines:?}");
    assert!(harness.ask("ls finance").last().unwrap().starts_with("+ls "));
}

/// The state of a volume that takes the most words.
fn longest_state() -> VolumeState {
    let states = (0..=u8::MAX).filter_map(VolumeState::from_wire);
    states.max_by_key(|&state| trouble(state).map_or(0, str::len)).unwrap()
}

/// The largest deployment, with every number as long as it gets, every name and every sentence the longest.
fn worst() -> Harness {
    let names: Vec<_> = (0..ARCHIVES_MAX).map(|i| alloc::format!("{i:032}")).collect();
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    let mut harness = Harness::up(&names);
    let longest = longest_state();
    for row in &mut harness.status_page.rows {
        row.as_mut_bytes().fill(0xff);
        (row.state, row.target) = (ArchiveState::Unavailable as u8, ArchiveState::Suspended as u8);
        (row.volume_state, row.moving, row.verifying) = (longest as u8, 1, 0);
        (row.check, row.verify_op) = (Check::Mismatch as u8, Audit::VerifyIncremental as u8);
        (row.verdict, row.finding) = (Verdict::Mismatch as u8, FindingKind::HeadDisagreement as u8);
        (row.finding_area, row.finding_record) = (Area::Input as u8, (u64::MAX - 1).into());
        (row.audit_due_ms, row.since_ms) = ((u64::MAX - 1).into(), 0.into());
        (row.fault, row.verify_tag) = (FaultKind::Memory as u8, 1.into());
        row.completion = Completion::Unrecorded as u8;
    }
    for (index, row) in harness.status_page.flags.iter_mut().enumerate() {
        row.as_mut_bytes().fill(0xff);
        (row.id, row.kind, row.volume) = ((index as u32 + 1).into(), FlagKind::MissingVolume.number(), 0);
        (row.what, row.detail) = (longest as u8, u64::from(longest as u8).into());
        row.area = Area::Volume as u8;
        (row.audit_record, row.acknowledged) = ((u64::MAX - 1).into(), Acknowledged::Recording as u8);
    }
    (harness.status_page.degraded, harness.status_page.uptime_ms) = (0xff, u64::MAX.into());
    harness
}

#[test]
fn the_largest_answers_fit_the_bounds_their_buffer_is_made_for() {
    let mut harness = worst();
    harness.line.borrow_mut().room = 0;
    harness.publish();
    harness.let_out(usize::MAX);
    let status = harness.type_line("status");
    assert!(status.len() <= BURST_MAX, "{} bytes of status for a person", status.len());
    let lines = |name: &str| status.lines().filter(|line| line.contains(name)).map(|line| line.len() + 2).sum();
    let volume_max: usize = lines("00000000000000000000000000000007 ");
    assert!((500..=VOLUME_LINES_MAX).contains(&volume_max), "{volume_max}");
    harness.type_line("flags");
    harness.bytes(b"machine\n");
    harness.output();
    const SEAL: usize = " #01234567\r\n".len();
    let longest = |lines: &[String]| lines.iter().map(|line| line.len() + SEAL).max().unwrap();
    let whole = |lines: &[String]| lines.iter().map(|line| line.len() + SEAL).sum::<usize>();
    let status = harness.ask("status");
    assert_eq!(status.len(), ARCHIVES_MAX + 2);
    assert!((700..=VOLUME_LINES_MAX).contains(&longest(&status)), "{}: {}", longest(&status), status[0]);
    assert!(whole(&status) > 40 * 1024 && whole(&status) <= BURST_MAX, "{}", whole(&status));
    let flags = harness.ask("flags");
    assert_eq!(flags.len(), FLAGS_MAX + ARCHIVES_MAX + 2);
    assert!(whole(&flags) <= BURST_MAX && longest(&flags[FLAGS_MAX..]) <= MORE_LINE_MAX, "{}", whole(&flags));
    assert!((300..=FLAG_LINE_MAX).contains(&longest(&flags)), "{}: {}", longest(&flags), flags[0]);
    // Every kind of flag there is.
    for kind in FlagKind::all() {
        let row = &mut harness.status_page.flags[0];
        (row.kind, row.what, row.area) = (kind.number(), FaultKind::Memory as u8, Area::Input as u8);
        (row.record, row.detail) = ((u64::MAX - 1).into(), u64::MAX.into());
        match kind {
            FlagKind::MissingVolume => row.detail = (longest_state() as u64).into(),
            FlagKind::Lifecycle => row.detail = (ArchiveState::Suspended as u64).into(),
            FlagKind::Degraded => {
                (row.what, row.detail) = (Role::Orchestrator as u8, (Loss::Silent as u64).into())
            }
            _ => {}
        }
        assert!(row.decode().is_some(), "{kind:?}");
        harness.publish();
        harness.output();
        let flags = harness.ask("flags");
        assert!(longest(&flags) <= FLAG_LINE_MAX, "{kind:?}: {}", flags[0]);
    }
}

#[test]
fn a_status_page_that_no_orchestrator_publishes_is_not_believed_and_its_orchestrator_cut_off() {
    let spoils: [fn(&mut StatusRow); 10] = [
        |row| row.state = 99,
        |row| row.volume_state = 99,
        |row| row.target = ArchiveState::Faulted as u8,
        |row| row.check = 99,
        |row| row.fault = 99,
        |row| (row.command_tag, row.completion) = (1.into(), 0),
        |row| row.verdict = 99,
        |row| row.verdict = Ending::Recorded as u8,
        |row| (row.verdict, row.verify_op) = (Verdict::Clean as u8, Audit::Ping as u8),
        |row| (row.verdict, row.finding) = (Verdict::Mismatch as u8, 99),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut harness = Harness::up_machine(&NAMES);
        harness.status_page.rows[1].records = 7.into();
        harness.publish();
        harness.lines();
        spoil(&mut harness.status_page.rows[1]);
        harness.status_page.rows[1].records = 8.into();
        harness.publish();
        let lines = harness.lines();
        assert!(lines[0].starts_with("*the orchestrator does not answer: "), "{number}: {lines:?}");
        let status = harness.ask("status");
        assert!(status[1].contains(" records=7 "), "{number}: what it said before is shown: {status:?}");
        assert!(status[3].contains(" degraded=orchestrator "), "{number}: {status:?}");
        let refused = harness.ask("suspend finance");
        assert!(refused[0].starts_with("-not-answering the orchestrator broke its protocol"), "{refused:?}");
        // What becomes of the page is no matter any more.
        harness.status_page.rows[1] = VolumeStatus::default().encode();
        harness.publish();
        assert!(harness.ask("status")[1].contains(" records=7 "), "{number}");
        assert!(harness.ask("put finance x 0")[0].starts_with("+ready "), "{number}: documents go on");
    }
}
