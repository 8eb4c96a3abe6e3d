//! The whole appliance in the simulator, driven over its serial line.

use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use ledger_fmt::record::HEADER_SIZE;
use totebox_domain::{Fault, FaultKind};
use totebox_manifest::Role;
use totebox_tests::operator::{number, value};
use totebox_tests::place::offset;
use totebox_tests::sim::{
    Abilities, DiskHandle, SimWire, World, blank_disk, deployment, domain, for_each_seed, operator,
};
use totebox_tests::vault_harness::{SMALL, bytes};

/// An operator at a settled machine with a blank disk.
fn settled() -> (totebox_deployment::Deployment, DiskHandle, totebox_tests::operator::Operator<SimWire>) {
    let deployment = deployment(SMALL);
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut operator = operator(&deployment, disk.clone(), 1, None);
    operator.connect_settled().unwrap();
    (deployment, disk, operator)
}

/// The row of a volume.
fn row<'a>(rows: &'a [String], name: &str) -> &'a str {
    let row = rows.iter().find(|row| value(row, "name") == Some(name));
    row.unwrap_or_else(|| panic!("there is no row of {name} in {rows:?}"))
}

#[test]
fn documents_go_in_and_come_back_and_verify_is_clean() {
    let (_, _, mut operator) = settled();
    let documents =
        [("contracts", "empty", 0), ("contracts", "Grüße aus Köln.txt", 5), ("finance", "books", 100_000)];
    for (i, (archive, name, size)) in documents.into_iter().enumerate() {
        let content = bytes(size, i as u8);
        let receipt = operator.put(archive, name, &content).unwrap().unwrap();
        assert_eq!(receipt.size, size as u64);
        assert_eq!(operator.get(archive, receipt.seq).unwrap(), Ok(content));
    }
    let ls = operator.ask("ls contracts").unwrap();
    assert_eq!((number(&ls.end, "records"), ls.rows.len()), (3, 3));
    assert!(ls.rows[2].ends_with("name=\"Grüße aus Köln.txt\""), "{ls:?}");
    let status = operator.ask("status").unwrap();
    let contracts = row(&status.rows, "contracts");
    assert_eq!((value(contracts, "state"), number(contracts, "documents")), (Some("active"), 2));
    assert_eq!((number(contracts, "bytes"), number(contracts, "refused")), (5, 0));
    let verify = operator.ask("verify").unwrap();
    assert_eq!(verify.end, "+audit clean volumes=4");
    assert!(verify.rows.iter().all(|row| value(row, "verdict") == Some("clean")), "{verify:?}");
}

#[test]
fn what_cannot_be_done_is_refused_by_name_and_changes_nothing() {
    let (_, disk, mut operator) = settled();
    operator.put("contracts", "one", b"content").unwrap().unwrap();
    operator.wire.world.settle();
    let before = disk.borrow().seen().to_vec();
    let cases = [
        ("frobnicate", "unknown-command"),
        ("ls nowhere", "unknown-archive"),
        ("get contracts x", "bad-argument"),
        ("get contracts 0", "not-a-document"),
        ("get contracts 7", "not-found"),
        ("put contracts \"\" 3", "bad-name"),
        ("put contracts \"a\\x07b\" 3", "bad-name"),
        ("put contracts big 900000", "full"),
        ("verify nowhere", "unknown-archive"),
    ];
    for (command, error) in cases {
        let answer = operator.ask(command).unwrap();
        assert_eq!(answer.error(), Some(error), "{command}: {answer:?}");
    }
    operator.wire.world.settle();
    assert!(disk.borrow().seen() == before, "nothing was written");
    assert_eq!(number(&operator.ask("ls contracts").unwrap().end, "records"), 2);
}

#[test]
fn documents_survive_a_noisy_line() {
    let deployment = deployment(SMALL);
    for_each_seed("documents_survive_a_noisy_line", 10, |seed| {
        let disk = DiskHandle::new(blank_disk(&deployment));
        let mut operator = operator(&deployment, disk, seed, None);
        operator.connect_settled().unwrap();
        operator.wire.world.devices().uart.set_noise(20_000);
        let mut receipts = Vec::new();
        for i in 0..4 {
            let content = bytes(20_000 + i, i as u8);
            receipts.push(operator.put("finance", &format!("document {i}"), &content).unwrap().unwrap());
        }
        for (i, receipt) in receipts.iter().enumerate() {
            assert!(operator.get("finance", receipt.seq).unwrap() == Ok(bytes(20_000 + i, i as u8)));
        }
        assert!(operator.damaged > 0, "the line was quiet");
    });
}

#[test]
fn a_full_archive_refuses_and_goes_on_reading() {
    let (_, _, mut operator) = settled();
    let mut kept = Vec::new();
    let refused = loop {
        let content = bytes(100_000, kept.len() as u8);
        match operator.put("correspondence", "letter", &content).unwrap() {
            Ok(receipt) => kept.push((receipt.seq, content)),
            Err(error) => break error,
        }
    };
    assert_eq!((refused.as_str(), kept.len()), ("full", 7));
    for (seq, content) in kept {
        assert!(operator.get("correspondence", seq).unwrap() == Ok(content));
    }
    let status = operator.ask("status").unwrap();
    assert!(number(row(&status.rows, "correspondence"), "free") < 100_000);
    assert!(operator.put("contracts", "other", b"goes on").unwrap().is_ok());
}

/// Small documents, with a record each: what `status` says is left is what still goes in.
#[test]
fn the_room_that_is_shown_is_the_room_there_is() {
    let (_, _, mut operator) = settled();
    let room = |operator: &mut totebox_tests::operator::Operator<SimWire>| {
        let status = operator.ask("status").unwrap();
        let row = row(&status.rows, "correspondence");
        (number(row, "free"), number(row, "left"))
    };
    let (_, mut left) = room(&mut operator);
    assert!(left > 20, "{left}");
    loop {
        let put = operator.put("correspondence", "note", b"a few words").unwrap();
        let (free, now) = room(&mut operator);
        match put {
            Ok(_) => assert!(left > 0 && now < left, "{left} were left, then {now}"),
            Err(error) => {
                assert_eq!((error.as_str(), left, free, now), ("full", 0, 0, 0));
                break;
            }
        }
        assert_eq!(free == 0, now == 0, "there is room for some document, or for none");
        left = now;
    }
}

/// Whatever record or batch header is damaged while the appliance is off, with and without the archive's snapshot and
/// the vault's hints: every other document is given out and listed.
#[test]
fn what_one_damaged_block_does_not_touch_stays_readable() {
    let (deployment, disk, mut operator) = settled();
    let documents: Vec<_> = (0..18).map(|i| bytes(3000 + i, i as u8)).collect();
    for content in &documents {
        operator.put("finance", "document", content).unwrap().unwrap();
    }
    let first = number(&operator.ask("ls finance 1 1").unwrap().rows[0], "seq");
    operator.wire.world.settle();
    drop(operator);
    let content = disk.borrow().seen().to_vec();
    let at = |area, block| offset(&deployment, 1, area, block);
    type Lose<'a> = &'a dyn Fn(&mut Vec<u8>);
    let snapshot = |content: &mut Vec<u8>| {
        let input = at(Area::Input, 0);
        content[input..input + 20 * BLOCK_SIZE].fill(0);
    };
    let hints =
        |content: &mut Vec<u8>| HINT_BLOCKS.into_iter().for_each(|block| content[at(Area::Volume, block)] ^= 1);
    let lost: [Lose; 3] = [&|_| {}, &snapshot, &|content| {
        snapshot(content);
        hints(content);
    }];
    let (mut damaged, mut active) = (0, 0);
    for (case, lose) in lost.into_iter().enumerate() {
        // A batch header, the header of the first record behind it, its payload.
        for (run, byte) in
            (0..=documents.len() as u64).flat_map(|run| [(run, 60), (run, 256 + 90), (run, 256 + HEADER_SIZE + 2)])
        {
            let what = format!("case {case}, run {run}, byte {byte}");
            let mut content = content.clone();
            lose(&mut content);
            content[at(Area::Ledger, run) + byte] ^= 4;
            let mut operator = totebox_tests::sim::operator(&deployment, DiskHandle::new(content), run, None);
            operator.connect_settled().unwrap();
            let status = operator.ask("status").unwrap();
            match value(row(&status.rows, "finance"), "state") {
                Some("damaged") => damaged += 1,
                Some("active") => active += 1,
                other => panic!("{what}: {other:?}"),
            }
            // Run `i` holds record `i`; the last one is not missed if no hint names it.
            let whole = |sequence: u64| byte == 60 || sequence != run;
            let end = documents.len() as u64;
            let unhinted = |sequence: u64| case == 2 && run == end && sequence == end;
            for sequence in (first..=end).filter(|&sequence| whole(sequence) && !unhinted(sequence)) {
                let got = operator.get("finance", sequence).unwrap();
                assert!(
                    got.as_ref() == Ok(&documents[sequence as usize - 1]),
                    "{what}, record {sequence}: {got:?}"
                );
            }
            let ls = operator.ask("ls finance").unwrap();
            let listed: Vec<_> = ls.rows.iter().filter(|row| row.starts_with("=record ")).collect();
            let expected = (0..=end).filter(|&sequence| whole(sequence) && !unhinted(sequence)).count();
            assert_eq!(listed.len(), expected, "{what}: {ls:?}");
        }
    }
    assert!(damaged > 20 && active > 5, "{damaged} times it was damaged, {active} times it went on");
}

#[test]
fn a_volume_that_cannot_be_used_is_named_and_the_others_work() {
    let deployment = deployment(SMALL);
    let finance = deployment.volumes[1].offset() as usize;
    type Spoil<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cases: [(&str, Spoil); 3] = [
        ("foreign", &|content| content[finance..finance + 4096].fill(0)),
        ("damaged", &|content| content[finance + 70] ^= 1),
        ("other-deployment", &|content| {
            let other = totebox_tests::sim::deployment(&SMALL.replace("0001020304", "ff01020304"));
            content[finance..finance + 4096].copy_from_slice(&blank_disk(&other)[finance..finance + 4096]);
        }),
    ];
    for (state, spoil) in cases {
        let mut content = blank_disk(&deployment);
        spoil(&mut content);
        let mut operator = operator(&deployment, DiskHandle::new(content), 1, None);
        let status = operator.connect_settled().unwrap();
        let finance = row(&status.rows, "finance");
        assert_eq!((value(finance, "state"), value(finance, "volume")), (Some("unavailable"), Some(state)));
        assert_eq!(operator.put("finance", "books", b"x").unwrap(), Err("unavailable".to_owned()));
        assert!(operator.put("contracts", "one", b"x").unwrap().is_ok());
        assert_eq!(value(row(&operator.ask("status").unwrap().rows, "contracts"), "state"), Some("active"));
    }
}

#[test]
fn a_disk_that_refuses_writes_is_read() {
    let (deployment, disk, mut operator) = settled();
    let receipt = operator.put("contracts", "one", b"content").unwrap().unwrap();
    operator.wire.world.settle();
    drop(operator);
    disk.borrow_mut().set_abilities(Abilities { read_only: true, ..Abilities::default() });
    let mut operator = totebox_tests::sim::operator(&deployment, disk, 2, None);
    let status = operator.connect_settled().unwrap();
    assert_eq!(value(&status.end, "read_only"), Some("yes"));
    assert_eq!(operator.get("contracts", receipt.seq).unwrap(), Ok(b"content".to_vec()));
    assert!(operator.put("contracts", "two", b"x").unwrap().is_err());
}

#[test]
fn without_a_disk_the_operator_is_told() {
    let deployment = deployment(SMALL);
    let disk = DiskHandle::new(blank_disk(&deployment));
    disk.borrow_mut().set_abilities(Abilities { blocks: Some(0), buffers: 0, ..Abilities::default() });
    let mut operator = operator(&deployment, disk, 1, None);
    let status = operator.connect_settled().unwrap();
    for volume in ["contracts", "finance", "correspondence", "audit"] {
        assert_eq!(value(row(&status.rows, volume), "volume"), Some("no-disk"));
    }
    assert_eq!((value(&status.end, "durable"), value(&status.end, "in_service")), (None, Some("no")));
    assert_eq!(operator.put("contracts", "one", b"x").unwrap(), Err("unavailable".to_owned()));
}

#[test]
fn a_changed_byte_is_found_and_the_operator_is_told_where() {
    let (deployment, disk, mut operator) = settled();
    let content = bytes(9000, 1);
    let receipt = operator.put("finance", "books", &content).unwrap().unwrap();
    operator.wire.world.settle();
    let assets = offset(&deployment, 1, Area::Assets, 0);
    disk.borrow_mut().damage(assets + 5000, |byte| *byte ^= 0x10);
    let verify = operator.ask("verify finance").unwrap();
    assert_eq!(verify.error(), Some("mismatch"), "{verify:?}");
    let finance = row(&verify.rows, "finance");
    assert_eq!((value(finance, "verdict"), value(finance, "finding")), (Some("mismatch"), Some("asset")));
    assert_eq!((value(finance, "area"), number(finance, "record")), (Some("assets"), receipt.seq));
    assert_eq!(operator.get("finance", receipt.seq).unwrap(), Err("damaged".to_owned()));
    assert_eq!(operator.ask("verify contracts").unwrap().end, "+audit clean volumes=1");
}

#[test]
fn the_same_seed_leads_to_the_same_history() {
    let deployment = deployment(SMALL);
    let history = |seed| {
        let disk = DiskHandle::new(blank_disk(&deployment));
        let mut operator = operator(&deployment, disk.clone(), seed, None);
        operator.connect_settled().unwrap();
        operator.put("contracts", "one", &bytes(5000, 1)).unwrap().unwrap();
        let hash = ledger_fmt::hash::content_blake3(disk.borrow().seen());
        (operator.wire.world.steps(), hash)
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7).0, history(8).0);
}

#[test]
fn forty_archives_come_up_and_take_a_document_each() {
    let mut text = SMALL[..SMALL.find("[[archive]]").unwrap()].replace("\"16 MiB\"", "\"64 MiB\"");
    for i in 0..40 {
        text += &format!("[[archive]]\nname = \"a{i}\"\nsize = \"1 MiB\"\non_mismatch = \"flag\"\n");
    }
    let deployment = deployment(&text);
    let disk = DiskHandle::new(blank_disk(&deployment));
    let mut operator = operator(&deployment, disk, 1, None);
    let status = operator.connect_settled().unwrap();
    assert_eq!(status.rows.iter().filter(|row| value(row, "state") == Some("active")).count(), 41);
    for i in 0..40 {
        let receipt = operator.put(&format!("a{i}"), "one", &bytes(3000, i)).unwrap().unwrap();
        assert_eq!(operator.get(&format!("a{i}"), receipt.seq).unwrap(), Ok(bytes(3000, i)));
    }
}

#[test]
fn a_hung_up_line_gives_up_what_was_not_sent_in_full() {
    let deployment = deployment(SMALL);
    let disk = DiskHandle::new(blank_disk(&deployment));
    let world = World::new(&deployment, disk, 1, domain);
    let uart = world.devices().uart.clone();
    let mut operator = totebox_tests::operator::Operator::new(SimWire::new(world));
    operator.connect_settled().unwrap();
    let ready = operator.ask("put contracts half 5000").unwrap();
    assert!(ready.end.starts_with("+ready "), "{ready:?}");
    uart.send(b"@0 aGFsZg==");
    uart.hang_up();
    operator.connect_settled().unwrap();
    assert_eq!(number(&operator.ask("ls contracts").unwrap().end, "records"), 1);
    assert!(operator.put("contracts", "whole", b"content").unwrap().is_ok());
}

#[test]
fn a_faulting_archive_is_stopped_and_named_and_its_siblings_do_not_notice() {
    let (_, _, mut operator) = settled();
    operator.put("finance", "books", b"content").unwrap().unwrap();
    let world = &mut operator.wire.world;
    let finance = world.pd(Role::Archive, 1);
    world.fault(
        finance,
        Fault { kind: FaultKind::Memory, address: 0x10_0000_0000, instruction: 0x20_0004, status: 0x92 },
    );
    world.settle();
    assert!(world.stopped(finance));
    let text = |row: &String| row.split_once(" text=").expect("a note is a text").1.to_owned();
    let trace: Vec<String> = operator.ask("trace finance").unwrap().rows.iter().map(text).collect();
    assert!(
        trace.ends_with(&["\"request to finance: put\"", "\"committed 1 record\""].map(String::from)),
        "{trace:?}"
    );
    let status = operator.ask("status").unwrap();
    assert_eq!(value(row(&status.rows, "finance"), "state"), Some("faulted"));
    assert_eq!(operator.put("finance", "more", b"x").unwrap(), Err("not-active".to_owned()));
    for archive in ["contracts", "correspondence"] {
        assert!(operator.put(archive, "one", b"x").unwrap().is_ok());
        assert_eq!(value(row(&operator.ask("status").unwrap().rows, archive), "state"), Some("active"));
    }
    assert_eq!(operator.ask("verify finance").unwrap().end, "+audit clean volumes=1", "it is left as evidence");
    let later: Vec<String> = operator.ask("trace finance").unwrap().rows.iter().map(text).collect();
    assert_eq!(later, trace, "so is its trace");
    let flags = operator.ask("flags").unwrap();
    assert!(flags.rows[0].contains(" instruction=2097156 status=146 "), "{flags:?}");
}

#[test]
fn a_wall_clock_that_jumps_back_does_not_change_the_order() {
    let (_, _, mut operator) = settled();
    operator.put("contracts", "before", b"1").unwrap().unwrap();
    operator.wire.world.devices().ticker.set_wall_ms(1_000_000_000_000);
    operator.wire.world.settle();
    let ticker = operator.wire.world.devices().ticker.clone();
    for _ in 0..3 {
        ticker.pass();
        operator.wire.world.settle();
    }
    let after = operator.put("contracts", "after", b"2").unwrap().unwrap();
    let ls = operator.ask("ls contracts").unwrap();
    assert_eq!((after.seq, number(&ls.rows[1], "seq"), number(&ls.rows[2], "seq")), (2, 1, 2));
    assert!(number(&ls.rows[2], "time") < number(&ls.rows[1], "time"), "the time is what the clock says");
    assert_eq!(operator.ask("verify contracts").unwrap().end, "+audit clean volumes=1");
}
