//! A person at a bare terminal.

use alloc::string::ToString;

use totebox_protocol::audit::{NO_RECORD, Op as Audit, Verdict};
use totebox_protocol::operator::{Order, Reason, Refusal};
use totebox_protocol::page::{ArchiveState, Check};
use totebox_protocol::vault::VolumeState;

use crate::testing::{Document, Harness};

const NAMES: [&str; 3] = ["contracts", "finance", "correspondence"];

#[test]
fn the_prompt_comes_with_the_welcome() {
    let mut harness = Harness::starting(&NAMES);
    assert_eq!(harness.output(), "*Totebox test: starting 3 archives\r\n");
    harness.status_page.rows[0].state = ArchiveState::Active as u8;
    harness.publish();
    assert_eq!(harness.output(), "*archive contracts is active\r\n");
    let row = &mut harness.status_page.rows[1];
    (row.state, row.volume_state) = (ArchiveState::Unavailable as u8, VolumeState::DiskTooSmall as u8);
    harness.status_page.rows[2].state = ArchiveState::Active as u8;
    (harness.status_page.settled, harness.status_page.durable) = (1, 2);
    harness.publish();
    assert_eq!(
        harness.output(),
        "*archive finance is unavailable: the disk ends before this volume does; attach the deployment's whole \
         disk\r\n\
         *archive correspondence is active\r\n\
         *Totebox test: 2 of 3 archives active. Type help.\r\n\
         *This disk cannot flush: a power cut may take what was acknowledged.\r\n\
         totebox> "
    );
    harness.status_page.rows[3].state = ArchiveState::Active as u8;
    harness.publish();
    assert_eq!(harness.output(), "", "the audit volume is expected to come up");
    harness.status_page.rows[3].state = ArchiveState::Failed as u8;
    harness.publish();
    assert_eq!(harness.output(), "\r\n*volume audit is failed\r\ntotebox> ");
}

#[test]
fn nothing_is_said_of_a_disk_that_the_vault_does_not_speak_of() {
    // Without a volume in service, and before the vault has said anything.
    for (in_service, read_only) in [(0, 0), (0, 1), (1, 0)] {
        let mut harness = Harness::starting(&NAMES);
        harness.output();
        (harness.status_page.settled, harness.status_page.durable) = (1, 0);
        (harness.status_page.in_service, harness.status_page.read_only) = (in_service, read_only);
        harness.publish();
        let shown = harness.output();
        assert_eq!(shown, "*Totebox test: 0 of 3 archives active. Type help.\r\ntotebox> ");
    }
}

#[test]
fn a_lost_superblock_is_not_taken_for_another_disk_alone() {
    let mut harness = Harness::up(&NAMES);
    harness.status_page.rows[1].volume_state = VolumeState::Foreign as u8;
    harness.publish();
    let shown = harness.output();
    assert!(shown.contains("see totebox disk verify and totebox disk repair, or this is another disk"), "{shown}");
}

#[test]
fn a_person_need_not_wait_for_the_welcome() {
    let mut harness = Harness::starting(&NAMES);
    harness.output();
    harness.bytes(b"\x03");
    let shown = harness.type_line("status");
    assert_eq!(
        shown,
        "status\r\n-unavailable the orchestrator has published nothing yet; try again in a moment\r\ntotebox> "
    );
}

#[test]
fn text_is_put_and_shown_again() {
    let mut harness = Harness::up(&NAMES);
    let shown = harness.type_line("put finance \"Año 2024\"");
    assert_eq!(
        shown,
        "put finance \"Año 2024\"\r\n\
         +ready 1 type the text; a line with a single . ends it, Ctrl-C gives it up\r\n"
    );
    assert_eq!(harness.type_line("Zürich"), "Zürich\r\n");
    assert_eq!(harness.type_line(""), "\r\n");
    assert_eq!(harness.type_line("endd\x7f"), "endd\x08 \x08\r\n");
    let shown = harness.type_line(".");
    let document = Document { name: "Año 2024".to_string(), content: "Zürich\n\nend\n".into() };
    assert_eq!(harness.archives[1].documents, [document]);
    assert!(shown.starts_with(".\r\n+receipt 1 seq=1 size=13 hash="), "{shown}");
    assert!(shown.ends_with(" time=\"2024-03-01 00:00:00\"\r\ntotebox> "), "{shown}");

    let shown = harness.type_line("get finance 1");
    assert!(
        shown.starts_with(
            "get finance 1\r\nrecord 1: \"Año 2024\", 13 B, 2024-03-01 00:00:00\r\nZürich\r\n\r\nend\r\n+end size=13 hash="
        ),
        "{shown}"
    );
    let shown = harness.type_line("ls finance");
    assert_eq!(
        shown,
        "ls finance\r\n     \
         seq  time                 kind                   size  name\r\n       \
         0  2024-03-01 00:00:00  genesis                 0 B  \"\"\r\n       \
         1  2024-03-01 00:00:00  document               13 B  \"Año 2024\"\r\n\
         +ls records=2\r\ntotebox> "
    );
}

#[test]
fn status_is_an_aligned_table() {
    let mut harness = Harness::up(&NAMES);
    let row = &mut harness.status_page.rows[1];
    (row.records, row.documents, row.bytes, row.free, row.left) =
        (12.into(), 11.into(), 1_258_291.into(), (54 << 20).into(), 1999.into());
    (row.verdict, row.verify_op, row.verified_ms) =
        (Verdict::Clean as u8, Audit::VerifyIncremental as u8, 1_709_251_200_000.into());
    (row.check, row.checked_ms, row.since_ms) = (Check::Clean as u8, 1_709_251_250_000.into(), 1000.into());
    let row = &mut harness.status_page.rows[2];
    (row.target, row.moving) = (ArchiveState::Suspended as u8, 1);
    (harness.status_page.uptime_ms, harness.status_page.wall_ms) = (61_000.into(), 1_709_251_261_000.into());
    harness.publish();
    harness.output();
    assert_eq!(
        harness.type_line("status"),
        "status\r\n\
         archive         state              records  documents    bytes      free  left  scrub       last audit               \
         flags    for  refused\r\n\
         contracts       active                   0          0      0 B       0 B     0  never       never                        \
         0  1 min        0\r\n\
         finance         active                  12         11  1.1 MiB  54.0 MiB  1999  clean 11 s  incremental clean 1 min      \
         0  1 min        0\r\n\
         correspondence  active->suspended        0          0      0 B       0 B     0  never       never                        \
         0  1 min        0\r\n\
         audit           active                   0          0      0 B       0 B     0  never       never                        \
         0  1 min        0\r\n\
         +status up 1 min 1 s, durable, 2024-03-01 00:01:01 UTC\r\n\
         totebox> "
    );
}

#[test]
fn what_is_not_text_is_shown_as_data_lines() {
    let mut harness = Harness::up(&NAMES);
    let cases: [(&[u8], &str); 4] = [
        (b"\x1b[2J", "@0 G1sySg== #"),
        (b"a\x00", "@0 YQA= #"),
        (b"\xff", "@0 /w== #"),
        // A character that is never finished.
        (b"ok\xc3", "ok\r\n@2 ww== #"),
    ];
    for (index, (content, shown)) in cases.into_iter().enumerate() {
        harness.archives[0].documents.push(Document { name: "x".to_string(), content: content.into() });
        let output = harness.type_line(&alloc::format!("get contracts {}", index + 1));
        assert!(output.contains(&alloc::format!("00:00:00\r\n{shown}")), "{output:?}");
    }
    // Characters across messages are put together again.
    let long = "ü".repeat(5000) + "x\n";
    harness.archives[1].documents.push(Document { name: "x".to_string(), content: long.clone().into() });
    let output = harness.type_line("get finance 1");
    assert!(output.contains(&long.replace('\n', "\r\n")));
}

#[test]
fn news_do_not_disturb_what_is_typed() {
    let mut harness = Harness::up(&NAMES);
    harness.bytes(b"stat");
    harness.status_page.rows[2].state = ArchiveState::Failed as u8;
    harness.publish();
    harness.bytes(b"us\r");
    let shown = harness.output();
    let expected = "stat\r\n*archive correspondence is failed\r\ntotebox> status\r\narchive ";
    assert!(shown.starts_with(expected), "{shown:?}");
}

#[test]
fn ctrl_c_gives_up_a_line_a_text_and_a_wait() {
    let mut harness = Harness::up(&NAMES);
    harness.bytes(b"put fin\x03");
    assert_eq!(harness.output(), "^C\r\ntotebox> ", "what came before Ctrl-C in one go was never taken up");
    harness.bytes(b"put fin");
    harness.bytes(b"\x03");
    assert_eq!(harness.output(), "put fin^C\r\ntotebox> ");

    harness.type_line("put finance note");
    harness.bytes(b"half a li");
    harness.bytes(b"\x03");
    assert_eq!(harness.output(), "half a li^C\r\n-cancelled:1 given up; nothing was committed\r\ntotebox> ");
    assert!(harness.archives[1].documents.is_empty());

    harness.archives[1].holds_receipts = true;
    harness.type_line("put finance note");
    harness.type_line("text");
    assert_eq!(harness.type_line("."), ".\r\n");
    harness.bytes(b"\x03");
    assert_eq!(
        harness.output(),
        "-not-answering:2 no longer waiting for archive finance; it may still commit this\r\ntotebox> "
    );
    harness.revive(1);
    let shown = harness.output();
    assert!(shown.starts_with("\r\n*+receipt 2 seq=1 size=5 hash="), "{shown:?}");
    assert!(shown.ends_with("\r\ntotebox> "), "{shown:?}");
    assert!(harness.type_line("receipt 2").contains("\r\n+receipt 2 seq=1 size=5 hash="));
    assert!(harness.type_line("receipt 1").contains("\r\n-cancelled:1 given up; nothing was committed\r\n"));
}

#[test]
fn lines_that_ctrl_c_voids_do_not_vanish_in_silence() {
    const DROPPED: &str = "-cancelled what was typed before Ctrl-C and not taken up was not carried out\r\n";
    let mut harness = Harness::up(&NAMES);
    // In one go, so that nothing of it was taken up.
    harness.bytes(b"put finance note\rtext\r.\r\x03");
    let shown = harness.output();
    assert!(shown.ends_with(&alloc::format!("{DROPPED}totebox> ")), "{shown:?}");
    assert!(harness.archives[1].documents.is_empty());
    // Behind something that is under way.
    harness.archives[1].hung = true;
    harness.type_line("ls finance");
    harness.bytes(b"ls contracts\r");
    harness.bytes(b"\x03");
    assert_eq!(harness.output(), alloc::format!("-cancelled stopped\r\n{DROPPED}totebox> "));
    // The end of a line whose beginning was shown.
    let mut harness = Harness::up(&NAMES);
    harness.bytes(b"ls contr");
    harness.bytes(b"acts\r\x03");
    let shown = harness.output();
    assert!(shown.ends_with(&alloc::format!("^C\r\n{DROPPED}totebox> ")), "{shown:?}");
    // Nothing was typed to its end.
    harness.bytes(b"\r\n\r\x03ls\x03");
    assert!(!harness.output().contains(DROPPED));
}

#[test]
fn a_text_keeps_its_tabs_and_a_key_that_does_nothing_is_heard() {
    let mut harness = Harness::up(&NAMES);
    harness.type_line("put finance note");
    assert_eq!(harness.type_line("a\tb\x07\x00\x7f"), "a b\x07\x07\x08 \x08\r\n");
    harness.type_line(".");
    assert_eq!(harness.archives[1].documents[0].content, b"a\t\n");
    // Between words it is a blank as any other.
    assert!(harness.type_line("ls\tfinance").contains("+ls records=2"));
}

#[test]
fn text_that_is_refused_is_not_taken_for_commands() {
    let mut harness = Harness::up(&NAMES);
    harness.archives[0].refuses_at = Some(5);
    harness.type_line("put contracts note");
    let shown = harness.type_line("12345");
    assert_eq!(
        shown,
        "12345\r\n-full:1 archive contracts has room for 77 bytes; nothing was committed; use another archive\r\n\
         *what is typed now is skipped, up to a line with a single . or to Ctrl-C\r\n"
    );
    assert_eq!(harness.type_line("status"), "status\r\n");
    assert_eq!(harness.type_line("."), ".\r\ntotebox> ");
}

#[test]
fn an_archive_that_hangs_does_not_hang_the_operator() {
    let mut harness = Harness::up(&NAMES);
    harness.type_line("put finance note");
    harness.archives[1].hung = true;
    // More lines than the queue has slots.
    for _ in 0..40 {
        harness.type_line("text");
    }
    harness.bytes(b"\x03");
    let shown = harness.output();
    assert!(
        shown.ends_with(
            "-cancelled:1 given up; nothing was committed\r\n\
             -cancelled what was typed before Ctrl-C and not taken up was not carried out\r\ntotebox> "
        ),
        "{shown:?}"
    );
    assert!(harness.type_line("ls contracts").ends_with("+ls records=1\r\ntotebox> "));
    assert_eq!(harness.type_line("ls finance"), "ls finance\r\n", "it waits");
    harness.bytes(b"\x03");
    assert_eq!(harness.output(), "-cancelled stopped\r\ntotebox> ");
    harness.revive(1);
    assert!(harness.archives[1].documents.is_empty());
    assert!(harness.type_line("ls finance").ends_with("+ls records=1\r\ntotebox> "));
}

#[test]
fn an_archive_that_is_not_active_says_so_at_once() {
    let mut harness = Harness::up(&NAMES);
    harness.archives[1].holds_receipts = true;
    harness.type_line("put finance note");
    harness.type_line("text");
    harness.type_line(".");
    let row = &mut harness.status_page.rows[1];
    (row.state, row.fault, row.fault_address) = (ArchiveState::Faulted as u8, 1, 0x1000.into());
    harness.publish();
    assert_eq!(
        harness.output(),
        "*archive finance is faulted: it touched memory at 0x1000 it has no right to; it is left as it is until the \
         appliance starts again\r\n\
         -not-active:1 archive finance was lost before it answered; whether this was committed shows in: ls \
         finance\r\ntotebox> "
    );
    let shown = harness.type_line("get finance 1");
    assert!(shown.contains("-not-active archive finance was stopped by a fault;"), "{shown}");
    harness.status_page.rows[0].state = ArchiveState::Suspended as u8;
    harness.publish();
    harness.output();
    let shown = harness.type_line("put contracts note");
    assert!(shown.contains("-not-active archive contracts is suspended:"), "{shown}");
}

#[test]
fn help_is_there_for_every_command() {
    let mut harness = Harness::up(&NAMES);
    let shown = harness.type_line("help");
    for command in
        ["help", "status", "flags", "ack", "history", "suspend", "archive", "ls", "put", "get", "audit", "machine"]
    {
        assert!(shown.contains(&alloc::format!("\r\n  {command} ")), "{command} in {shown}");
        let shown = harness.type_line(&alloc::format!("help {command}"));
        assert!(shown.contains(&alloc::format!("\r\n  {command} ")) && shown.contains("\r\n+help\r\n"), "{shown}");
    }
    assert!(harness.type_line("hepl").contains("-unknown-command no command \"hepl\"; type help\r\n"));
}

#[test]
fn a_verification_shows_each_verdict_as_it_comes() {
    let mut harness = Harness::up(&NAMES);
    harness.answer_order(Ok(9));
    assert_eq!(harness.type_line("audit"), "audit\r\nverifying; Ctrl-C stops waiting\r\n");
    assert_eq!(harness.last_order(), (Order::Verify(None), Reason::new()));

    let row = &mut harness.status_page.rows[0];
    (row.verify_tag, row.verdict) = (9.into(), Verdict::Clean as u8);
    (row.verified_records, row.verified_bytes, row.verify_duration_ms) = (3.into(), 4096.into(), 250.into());
    harness.publish();
    let shown = harness.output();
    assert_eq!(shown, "  contracts                        clean        3 records, 4.0 KiB read in 0.2 s  \r\n");

    for row in &mut harness.status_page.rows[1..4] {
        (row.verify_tag, row.verdict, row.finding_record) = (9.into(), Verdict::Clean as u8, NO_RECORD.into());
    }
    let row = &mut harness.status_page.rows[2];
    (row.verdict, row.finding, row.finding_area) = (Verdict::Mismatch as u8, 7, 1);
    (row.finding_block, row.finding_record, row.findings) = (12.into(), 4.into(), 3.into());
    harness.publish();
    let shown = harness.output();
    let answer = "-mismatch volume correspondence: asset at assets block 12, record 4, and 2 more findings; keep the \
                  disk as it is\r\ntotebox> ";
    assert!(shown.ends_with(answer), "{shown}");
    let shown = harness.type_line("status");
    assert!(shown.contains("correspondence does not verify: asset at assets block 12, record 4"), "{shown}");
}

#[test]
fn a_verification_may_be_refused_or_left_alone() {
    let mut harness = Harness::up(&NAMES);
    harness.type_line("verify");
    harness.seconds(15);
    assert!(harness.output().contains("-not-answering the orchestrator has not answered for "));
    let mut harness = Harness::up(&NAMES);
    harness.answer_order(Err(Refusal::AlreadyRunning));
    assert!(harness.type_line("verify finance").contains("\r\n-busy "));
    harness.answer_order(Ok(2));
    harness.type_line("verify finance");
    harness.bytes(b"\x03");
    assert!(harness.output().starts_with("-cancelled no longer waiting;"));
    let row = &mut harness.status_page.rows[1];
    (row.verify_tag, row.verdict) = (2.into(), Verdict::Clean as u8);
    harness.publish();
    assert_eq!(harness.output(), "\r\n*audit of finance: clean\r\ntotebox> ");
}

#[test]
fn a_peer_that_hangs_up_leaves_nothing_behind() {
    let mut harness = Harness::up(&NAMES);
    harness.type_line("put finance note");
    harness.type_line("text");
    harness.line.borrow_mut().hung_up = true;
    harness.bytes(b"");
    let shown = harness.output();
    let (_, shown) = shown.split_once("nothing was committed\r\n").unwrap();
    assert_eq!(shown, "*what is typed now is skipped, up to a line with a single . or to Ctrl-C\r\n");
    assert!(harness.archives[1].documents.is_empty());
    harness.bytes(b"\x03");
    assert!(harness.output().ends_with("\r\ntotebox> "));
}
