//! What changes on a disk is found, flagged, recorded and acknowledged.

use ledger_fmt::batch_header::Hint;
use ledger_fmt::layout::{Area, BLOCK_SIZE, HINT_BLOCKS};
use ledger_fmt::record::{Kind, Record};
use totebox_deployment::volume::Volume;
use totebox_tests::archive_harness::verify_content;
use totebox_tests::operator::{Operator, number, value};
use totebox_tests::orchestration::{NAMES, PERIOD_MS, SCHEDULED, Structure, audit_record, row, spot, state};
use totebox_tests::place::offset;
use totebox_tests::sim::{DiskHandle, SimWire, deployment, for_each_seed};

use super::{a_round, at_work, await_event, await_state, content, fetch, uptime};

#[test]
fn one_flipped_bit_in_any_structure_is_flagged_within_a_period() {
    let deployment = deployment(SCHEDULED);
    for_each_seed("one_flipped_bit_in_any_structure_is_flagged_within_a_period", 3, |seed| {
        for structure in Structure::ALL {
            for (volume, on_mismatch) in [(1, "suspended"), (2, "active")] {
                let name = NAMES[volume];
                let what = format!("{structure:?} of {name}");
                let (disk, mut operator) = at_work(&deployment, seed);
                a_round(&mut operator);
                assert_eq!(operator.ask("flags").unwrap().end, "+flags open=0 hidden=0", "{what}");
                let spot = spot(&deployment, disk.borrow().seen(), volume, structure);
                let flipped_ms = uptime(&mut operator);
                disk.borrow_mut().damage(spot.byte, |byte| *byte ^= 0x20);

                let told = await_event(&mut operator, &format!("flag 1 {name} {}", structure.flag()));
                let found_ms = uptime(&mut operator);
                assert!(found_ms <= flipped_ms + PERIOD_MS + 1_000, "{what}: after {} ms", found_ms - flipped_ms);
                // It was recorded before it was told.
                let recorded = audit_record(&deployment, disk.borrow().seen());
                let flag = recorded.iter().find(|(kind, _)| *kind == Kind::Flag);
                let (_, flag) = flag.unwrap_or_else(|| panic!("{what}: {told} is not recorded"));
                assert_eq!((flag["flag"].as_u64(), flag["archive"].as_str()), (Some(1), Some(name)), "{what}");

                let flags = operator.ask("flags").unwrap();
                let first = &flags.rows[0];
                let seen = ["id", "archive", "kind", "area", "acknowledged"].map(|key| value(first, key).unwrap());
                assert_eq!(seen, ["1", name, structure.flag(), structure.area(), "no"], "{what}: {flags:?}");
                assert_eq!(number(first, "block"), spot.block, "{what}: {flags:?}");
                if structure == Structure::Asset || structure == Structure::RecordHeader {
                    assert_eq!(number(first, "record"), spot.record, "{what}: {flags:?}");
                }
                await_state(&mut operator, name, on_mismatch);
                let history = operator.ask("history").unwrap();
                let suspension = history.rows.iter().any(|row| row.contains("cause=mismatch"));
                assert_eq!(suspension, on_mismatch == "suspended", "{what}: {history:?}");
                // Siblings and undamaged records go on.
                for sibling in NAMES.iter().filter(|sibling| **sibling != name) {
                    assert_eq!(state(&mut operator, sibling), "active", "{what}");
                    operator.put(sibling, "meanwhile", b"goes on").unwrap().unwrap();
                }
                if on_mismatch == "active" {
                    assert!(
                        fetch(&mut operator, name, 1) == Ok(content(1)),
                        "{what}: another document is readable"
                    );
                }
                // It is sticky, and raised once.
                a_round(&mut operator);
                assert_eq!(operator.ask("flags").unwrap().rows[0], *first, "{what}");
            }
        }
    });
}

/// The vault writes a newer hint over the damaged one before any audit sees it: then it is the vault that has seen it,
/// and that leads to the same.
#[test]
fn a_damaged_hint_does_not_vanish_under_a_newer_one() {
    let deployment = deployment(SCHEDULED);
    for_each_seed("a_damaged_hint_does_not_vanish_under_a_newer_one", 3, |seed| {
        let (disk, mut operator) = at_work(&deployment, seed);
        a_round(&mut operator);
        assert_eq!(operator.ask("flags").unwrap().end, "+flags open=0 hidden=0");
        let at = HINT_BLOCKS.map(|block| offset(&deployment, 1, Area::Volume, block));
        let hints = |disk: &DiskHandle| at.map(|at| disk.borrow().seen()[at..at + BLOCK_SIZE].to_vec());
        let Volume { id, layout, .. } = &deployment.volumes[1];
        let runs = hints(&disk).map(|hint| Hint::find(&hint, id, layout).map(|hint| hint.batches.get()));
        let older = usize::from(runs[1] < runs[0]);
        disk.borrow_mut().damage(at[older] + 20, |byte| *byte ^= 0x08);
        let damaged = hints(&disk);
        operator.put("finance", "meanwhile", b"a newer run").unwrap().unwrap();
        let block = HINT_BLOCKS[older];
        await_event(
            &mut operator,
            &format!("flag 1 finance hint at volume block {block}: the vault found it damaged"),
        );
        assert_ne!(hints(&disk)[older], damaged[older], "it was overwritten");
        let flags = operator.ask("flags").unwrap();
        assert_eq!(value(&flags.rows[0], "what"), Some("overwritten"), "{flags:?}");
        let recorded = audit_record(&deployment, disk.borrow().seen());
        let (_, flag) = recorded.iter().find(|(kind, _)| *kind == Kind::Flag).expect("it is recorded");
        assert_eq!((flag["kind"].as_str(), flag["what"].as_str()), (Some("hint"), Some("overwritten")));
        await_state(&mut operator, "finance", "suspended");
    });
}

#[test]
fn a_flag_is_acknowledged_with_a_reason_that_is_recorded() {
    let deployment = deployment(SCHEDULED);
    let (disk, mut operator) = at_work(&deployment, 1);
    let spot = spot(&deployment, disk.borrow().seen(), 1, Structure::Asset);
    disk.borrow_mut().damage(spot.byte, |byte| *byte ^= 1);
    await_event(&mut operator, "flag 1 finance asset");
    await_state(&mut operator, "finance", "suspended");
    for (command, error) in [
        ("ack 2 no such flag", "unknown-flag"),
        ("ack 1", "bad-reason"),
        ("ack x y", "bad-argument"),
        ("suspend finance", "already-there"),
        ("resume contracts", "already-there"),
        ("suspend nowhere", "unknown-archive"),
        ("suspend audit", "unknown-archive"),
        ("archive finance", "bad-argument"),
    ] {
        assert_eq!(operator.ask(command).unwrap().error(), Some(error), "{command}");
    }
    assert!(operator.ask("resume finance").unwrap().ok());
    // As long as it is not acknowledged, the next audit suspends the archive again.
    await_state(&mut operator, "finance", "suspended");
    let ack = operator.ask("ack 1 the scanner's copy is \"good\"").unwrap();
    assert_eq!(ack.end, "+ack flag=1");
    assert_eq!(operator.ask("ack 1 again").unwrap().error(), Some("already-acknowledged"));
    assert!(operator.ask("resume finance").unwrap().ok());
    a_round(&mut operator);
    a_round(&mut operator);
    assert_eq!(state(&mut operator, "finance"), "active", "what was acknowledged stays in service");
    let recorded = audit_record(&deployment, disk.borrow().seen());
    let (_, ack) = recorded.iter().find(|(kind, _)| *kind == Kind::Acknowledgement).expect("it is recorded");
    assert_eq!((ack["flag"].as_u64(), ack["reason"].as_str()), (Some(1), Some("the scanner's copy is good")));

    // All of that is so after a restart.
    operator.wire.world.settle();
    drop(operator);
    let mut operator = totebox_tests::sim::operator(&deployment, disk, 2, None);
    operator.connect_settled().unwrap();
    let flags = operator.ask("flags").unwrap();
    assert_eq!((flags.rows.len(), flags.end.as_str()), (1, "+flags open=0 hidden=0"));
    a_round(&mut operator);
    assert_eq!(operator.ask("flags").unwrap(), flags);
    assert_eq!(state(&mut operator, "finance"), "active");
}

/// An archive whose content is more than an incremental audit samples.
#[test]
fn what_a_full_audit_found_stays_until_the_next_one_restarts_or_not() {
    let larger =
        SCHEDULED.replace("\"1 MiB\"", "\"16 MiB\"").replace("\"16 MiB\"\n\n[audit]", "\"64 MiB\"\n\n[audit]");
    let deployment = deployment(&larger.replace("full_every = 3", "full_every = 1000"));
    let (disk, mut operator) = at_work(&deployment, 1);
    for document in 0..5 {
        operator.put("finance", &format!("large {document}"), &vec![document; 1 << 20]).unwrap().unwrap();
    }
    a_round(&mut operator);
    a_round(&mut operator);
    let spot = spot(&deployment, disk.borrow().seen(), 1, Structure::Asset);
    disk.borrow_mut().damage(spot.byte, |byte| *byte ^= 1);
    assert_eq!(operator.ask("audit finance").unwrap().error(), Some("mismatch"));
    await_state(&mut operator, "finance", "suspended");
    let shown = |operator: &mut Operator<SimWire>| {
        let status = operator.ask("status").unwrap();
        let of = |key| value(row(&status, "finance"), key).unwrap_or("none").to_string();
        ["audit", "verdict", "findings", "block"].map(of)
    };
    let found = shown(&mut operator);
    assert_eq!(found[..3], ["full", "mismatch", "1"]);
    for restarted in [false, true] {
        if restarted {
            operator.wire.world.settle();
            drop(operator);
            operator = totebox_tests::sim::operator(&deployment, disk.clone(), 2, None);
            operator.connect_settled().unwrap();
            assert_eq!(shown(&mut operator)[1..], found[1..], "the audit record tells of it");
        }
        // Until an audit has looked elsewhere.
        let clean = |disk: &DiskHandle| {
            let recorded = audit_record(&deployment, disk.borrow().seen());
            let of = |entry: &serde_json::Value| entry["archive"] == "finance" && entry["verdict"] == "clean";
            recorded.iter().filter(|(_, entry)| of(entry) && entry["audit"] == "incremental").count()
        };
        let before = clean(&disk);
        let limit = operator.wire.world.steps() + 10_000_000;
        while clean(&disk) == before {
            assert!(operator.wire.world.steps() < limit, "no incremental audit finds nothing");
            assert_eq!(shown(&mut operator)[1..], found[1..]);
        }
        assert_eq!(shown(&mut operator)[1..], found[1..]);
    }
    disk.borrow_mut().damage(spot.byte, |byte| *byte ^= 1);
    assert_eq!(operator.ask("audit finance").unwrap().end, "+audit clean volumes=1");
    assert_eq!(shown(&mut operator)[..3], ["full", "clean", "0"]);
}

/// Nothing is audited by itself.
#[test]
fn what_an_archive_finds_while_it_serves_is_audited_and_flagged() {
    let deployment = deployment(&SCHEDULED.replace("\"10 s\"", "\"off\""));
    let (disk, mut operator) = at_work(&deployment, 1);
    let spot = spot(&deployment, disk.borrow().seen(), 1, Structure::Asset);
    disk.borrow_mut().damage(spot.byte, |byte| *byte ^= 1);
    assert!(operator.get("finance", spot.record).unwrap().is_err());
    await_event(&mut operator, "flag 1 finance asset");
    let status = operator.ask("status").unwrap();
    assert_eq!(value(row(&status, "finance"), "check"), Some("mismatch"));
    await_state(&mut operator, "finance", "suspended");
}

#[test]
fn yesterdays_copy_of_a_volume_is_a_rollback() {
    let deployment = deployment(SCHEDULED);
    for volume in [1, 2] {
        let (disk, mut operator) = at_work(&deployment, 1);
        operator.wire.world.settle();
        let (start, size) =
            (deployment.volumes[volume].offset() as usize, deployment.volumes[volume].size() as usize);
        let yesterday = disk.borrow().seen()[start..start + size].to_vec();
        operator.put(NAMES[volume], "today", b"today").unwrap().unwrap();
        a_round(&mut operator);
        operator.wire.world.settle();
        drop(operator);
        disk.borrow_mut().put_back(start, &yesterday);
        let mut operator = totebox_tests::sim::operator(&deployment, disk.clone(), 2, None);
        operator.connect_settled().unwrap();
        await_event(&mut operator, &format!("flag 1 {} rollback", NAMES[volume]));
        let wanted = ["", "suspended", "active"][volume];
        await_state(&mut operator, NAMES[volume], wanted);
        // What goes on from the old state is found to be another history, as long as the record remembers.
        a_round(&mut operator);
        assert_eq!(value(row(&operator.ask("status").unwrap(), NAMES[volume]), "verdict"), Some("mismatch"));
        assert_eq!(operator.ask("audit contracts").unwrap().end, "+audit clean volumes=1");
    }
}

/// The blocks of `assets/` in these ranges; `read` is a key of one, and `last_block` may be left out.
fn blocks_of<'a, R: 'a>(
    ranges: impl IntoIterator<Item = &'a R>,
    read: impl Fn(&R, &str) -> Option<u64>,
) -> (Vec<std::ops::RangeInclusive<u64>>, u64) {
    let (mut blocks, mut findings) = (Vec::new(), 0);
    for range in ranges {
        let block = read(range, "block").expect("a range has a first block");
        blocks.push(block..=read(range, "last_block").unwrap_or(block));
        findings += read(range, "findings").expect("a range has findings");
    }
    (blocks, findings)
}

#[test]
fn each_of_many_damaged_places_is_found_beyond_the_flags_and_in_the_audit_record() {
    /// More than there are flags of an audit, and more than ranges.
    const PLACES: usize = 60;
    let larger = [("10 s", "1000 s"), ("16 MiB", "32 MiB"), ("\"1 MiB", "\"8 MiB")];
    let larger = larger.iter().fold(SCHEDULED.to_owned(), |text, (from, to)| text.replace(from, to));
    let deployment = deployment(&larger);
    let (disk, mut operator) = at_work(&deployment, 1);
    // Every other one is damaged.
    for number in 0..2 * PLACES {
        operator.put("finance", &format!("small {number}"), &[number as u8; 40]).unwrap().unwrap();
    }
    assert_eq!(operator.ask("audit finance").unwrap().end, "+audit clean volumes=1");
    assert_eq!(operator.ask("flags finance").unwrap().end, "+flags archive=finance findings=0 listed=0");
    operator.wire.world.settle();
    let assets: Vec<u64> = {
        let disk = disk.borrow();
        let seen = verify_content(&deployment, disk.seen(), 1);
        let header = |&(_, block, at): &(u64, u64, usize)| {
            let start = offset(&deployment, 1, Area::Ledger, block) + at;
            let (record, _) = Record::decode(&disk.seen()[start..]).expect("a sound record");
            let document = record.document().filter(|document| document.name.starts_with("small"))?;
            document.content.map(|content| content.block)
        };
        seen.records.iter().filter_map(header).collect()
    };
    let damaged: Vec<u64> = assets.into_iter().step_by(2).collect();
    assert_eq!(damaged.len(), PLACES);
    for block in &damaged {
        disk.borrow_mut().damage(offset(&deployment, 1, Area::Assets, *block), |byte| *byte ^= 1);
    }
    assert_eq!(operator.ask("audit finance").unwrap().error(), Some("mismatch"));
    for restarted in [false, true] {
        if restarted {
            operator.wire.world.settle();
            drop(operator);
            operator = totebox_tests::sim::operator(&deployment, disk.clone(), 2, None);
            operator.connect_settled().unwrap();
        }
        let flags = operator.ask("flags").unwrap();
        let flagged: Vec<u64> =
            flags.rows.iter().filter(|row| value(row, "id").is_some()).map(|row| number(row, "block")).collect();
        assert_eq!(flagged, damaged[..8], "{flags:?}");
        assert!(flags.rows.contains(&format!("=more archive=finance findings={}", PLACES - 8)), "{flags:?}");

        let more = operator.ask("flags finance").unwrap();
        let end = format!("+flags archive=finance findings={PLACES} listed={}", PLACES - 8);
        assert_eq!(more.end, end, "{more:?}");
        let read = |row: &String, key: &str| value(row, key).and_then(|value| value.parse().ok());
        let (ranges, findings) = blocks_of(&more.rows, read);
        assert_eq!(findings, PLACES as u64 - 8, "{more:?}");
        for block in &damaged[8..] {
            assert!(ranges.iter().any(|range| range.contains(block)), "{block}: {more:?}");
        }
        // Not by saying that everything is damaged.
        assert!(ranges.len() >= 20, "{more:?}");
    }
    let recorded = audit_record(&deployment, disk.borrow().seen());
    let result = |(kind, payload): &&(Kind, serde_json::Value)| {
        *kind == Kind::AuditResult && payload["findings"] == PLACES as u64
    };
    let (_, result) = recorded.iter().find(result).expect("it is recorded");
    let ranges = result["more"].as_array().expect("the others are recorded");
    let (ranges, findings) = blocks_of(ranges, |range, key| range[key].as_u64());
    assert_eq!(findings, PLACES as u64 - 8, "{result}");
    for block in &damaged[8..] {
        assert!(ranges.iter().any(|range| range.contains(block)), "{block}: {result}");
    }
    assert_eq!(operator.ask("flags contracts").unwrap().end, "+flags archive=contracts findings=0 listed=0");
}
