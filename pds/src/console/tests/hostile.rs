//! Peers that do not keep to the protocol: noise on the line, and archives taken over.

use alloc::vec::Vec;

use totebox_manifest::ARCHIVES_MAX;
use zerocopy::{FromBytes, IntoBytes};

use crate::console::testing::{Bench, Document, reply};
use crate::proto::audit::Verdict;
use crate::proto::flag::FlagKind;
use crate::proto::intake::{Answer, Reply};
use crate::proto::page::ArchiveState;
use crate::proto::vault::VolumeState;
use crate::testing::Random;

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
        let mut bench = Bench::up(&NAMES);
        bench.archives[1].documents.push(Document { name: "d".into(), content: (0..=255).collect() });
        let before = bench.archives[1].documents[0].clone();
        for _ in 0..200 {
            match random.below(4) {
                0 => {
                    let noise: Vec<u8> = (0..random.below(50)).map(|_| random.number() as u8).collect();
                    bench.bytes(&noise);
                }
                1 => bench.bytes(&alloc::vec![b'x'; random.below(5000) as usize]),
                _ => bench.bytes(PIECES[random.below(PIECES.len() as u64) as usize]),
            }
        }
        bench.bytes(b"\x03\nmachine\n");
        let output = bench.output();
        let broken = output.lines().find(|line| line.contains("broke its protocol"));
        assert_eq!(broken, None, "seed {seed}");
        let lines = bench.ask("get finance 1");
        assert!(lines[0].starts_with("=document seq=1 size=256 "), "seed {seed}: {lines:?}");
        assert!(lines[2].starts_with("+end size=256 "), "seed {seed}: {lines:?}");
        assert_eq!(bench.archives[1].documents[0], before);
    }
}

#[test]
fn an_archive_that_answers_nonsense_loses_its_link_alone() {
    let mut broken = 0;
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut bench = Bench::up_machine(&NAMES);
        bench.archives[0].hung = true;
        let request = match random.below(4) {
            0 => "ls contracts",
            1 => "get contracts 1",
            2 => "put contracts x 9",
            _ => "status",
        };
        bench.send(request);
        for _ in 0..random.below(20) {
            let mut header = reply(Answer::Ready, 1);
            random.fill(header.as_mut_bytes());
            if random.below(4) > 0 {
                // Nearly right.
                (header.answer, header.code) = (1 + random.below(7) as u8, random.below(15) as u8);
                (header.tag, header.value) = (1.into(), random.below(3).into());
                header.len = (random.below(64) as u16).into();
            }
            if !bench.archives[0].answers.send(header.as_bytes(), &[0xa5; 64]).unwrap() {
                break;
            }
            bench.notify_from(0);
        }
        bench.bytes(b"\x03\nmachine\n");
        let output = bench.output();
        broken += usize::from(output.contains("*archive contracts broke its protocol ("));
        let lines = bench.ask("ls finance");
        assert_eq!(lines.last().unwrap(), "+ls records=1", "seed {seed}");
        let lines = bench.ask("status");
        let state = if output.contains("broke its protocol") { "state=broken" } else { "state=active" };
        assert!(lines[0].contains(state), "seed {seed}: {lines:?}");
    }
    assert!(broken > 100, "only {broken} of 300 were found out");
}

#[test]
fn a_broken_archive_is_named_and_its_submissions_are_lost() {
    let mut bench = Bench::up_machine(&NAMES);
    bench.archives[0].holds_receipts = true;
    bench.ask("put contracts x 1");
    bench.ask("@0 eA==");
    let mut nonsense = Reply::read_from_bytes(&[0xff; 64]).unwrap();
    nonsense.tag = 1.into();
    bench.archives[0].answers.send(nonsense.as_bytes(), &[]).unwrap();
    bench.notify_from(0);
    let lines = bench.lines();
    assert_eq!(
        lines[0],
        "*archive contracts broke its protocol (an answer is longer than its slot); its link is closed"
    );
    assert!(lines[1].starts_with("-archive-broken 1 archive contracts was lost before it answered;"), "{lines:?}");
    let lines = bench.ask("ls contracts");
    assert!(lines[0].starts_with("-archive-broken archive contracts "), "{lines:?}");
    assert!(bench.ask("ls finance").last().unwrap().starts_with("+ls "));
}

#[test]
fn the_worst_status_of_the_largest_deployment_fits() {
    let names: Vec<_> = (0..ARCHIVES_MAX).map(|i| alloc::format!("{i:032}")).collect();
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    let mut bench = Bench::up(&names);
    bench.line.borrow_mut().room = 0;
    for row in &mut bench.surface.rows {
        row.as_mut_bytes().fill(0xff);
        (row.state, row.volume_state) = (ArchiveState::Unavailable as u8, VolumeState::OtherVolume as u8);
        (row.verdict, row.finding, row.finding_area) = (Verdict::Mismatch as u8, 9, 0);
        (row.verifying, row.finding_record) = (0, (u64::MAX - 1).into());
        (row.fault, row.verify_tag) = (1, 1.into());
    }
    for (index, row) in bench.surface.flags.iter_mut().enumerate() {
        row.as_mut_bytes().fill(0xff);
        (row.id, row.kind, row.volume) = ((index as u32 + 1).into(), FlagKind::AuditVolume as u8, 0);
    }
    bench.surface.degraded = 0xff;
    bench.publish();
    bench.let_out(usize::MAX);
    bench.type_line("status");
    bench.bytes(b"machine\n");
    bench.output();
    assert_eq!(bench.ask("status").len(), ARCHIVES_MAX + 2);
}
