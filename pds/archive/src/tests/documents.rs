//! Documents in and out.

use ledger_fmt::layout::BLOCK_SIZE;
use ledger_fmt::record::Kind;
use totebox_protocol::vault::Op as VaultOp;

use super::*;

const MIB: usize = 1 << 20;

#[test]
fn documents_of_every_size_come_back_after_a_restart() {
    let mut harness = Harness::on(blank(2048));
    let sizes = [0, 1, 4095, 4096, 4097, 28 * 1024 + 1, 32767, 32768, 32769, 65536, MIB, MIB + 1];
    for (i, &size) in sizes.iter().enumerate() {
        let bytes = document(size, i as u64);
        let receipt = harness.put("a name with blanks and Ümläute.pdf", &bytes);
        assert_eq!(receipt.sequence(), 1 + i as u64);
        assert_eq!(receipt.reply.extra.get(), size as u64);
        assert_eq!(receipt.reply.hash, content_blake3(&bytes));
        assert_eq!(receipt.reply.time_ms.get(), NOW_MS);
        assert_eq!(receipt.data, harness.health().head, "the receipt names the record's hash");
    }
    let health = harness.health();
    assert_eq!((health.records.get(), health.documents.get()), (1 + sizes.len() as u64, sizes.len() as u64));
    assert_eq!(health.bytes.get(), sizes.iter().sum::<usize>() as u64);
    assert!(harness.vault.disk.is_sound());

    let mut harness = harness.restart();
    let after = harness.health();
    assert_eq!((after.head, after.root, after.bytes), (health.head, health.root, health.bytes));
    for (i, &size) in sizes.iter().enumerate() {
        let bytes = document(size, i as u64);
        let (document, fetched, end) = harness.get(1 + i as u64, 0);
        let document = document.unwrap();
        assert_eq!((document.answer, end.answer), (Answer::Document, Answer::End));
        assert_eq!(document.data, "a name with blanks and Ümläute.pdf".as_bytes());
        assert_eq!((document.reply.extra.get(), document.reply.hash), (size as u64, content_blake3(&bytes)));
        assert_eq!((end.reply.value.get(), end.reply.hash), (size as u64, content_blake3(&bytes)));
        assert!(fetched == bytes, "content of {size} bytes");
    }
}

#[test]
fn pieces_of_any_length_make_the_same_document() {
    let mut harness = Harness::on(blank(1024));
    let bytes = document(200_000, 1);
    for piece in [1000, 3000, 4095] {
        let tag = harness.tag();
        let mut messages = vec![(Op::PutBegin, tag, SIZE_UNKNOWN, b"pieces".to_vec())];
        for (i, chunk) in bytes.chunks(piece).enumerate() {
            messages.push((Op::PutData, tag, (i * piece) as u64, chunk.to_vec()));
        }
        messages.push((Op::PutEnd, tag, 0, Vec::new()));
        let answers = harness.send_all(&messages);
        assert_eq!(answers[1].reply.hash, content_blake3(&bytes), "in pieces of {piece}");
        let (_, fetched, _) = harness.get(answers[1].sequence(), 0);
        assert!(fetched == bytes);
    }
    assert!(harness.vault.disk.is_sound());
}

#[test]
fn a_document_can_be_fetched_from_any_byte() {
    let mut harness = Harness::on(blank(512));
    let bytes = document(100_000, 3);
    let sequence = harness.put("d", &bytes).sequence();
    for offset in [0, 1, 4095, 4096, 32768, 65537, 99_999, 100_000] {
        let (_, fetched, end) = harness.get(sequence, offset as u64);
        assert_eq!(end.answer, Answer::End);
        assert!(fetched == bytes[offset..], "from byte {offset}");
    }
    assert_eq!(harness.get(sequence, 100_001).2.failure(), Failure::BadRequest);
    assert_eq!(harness.get(0, 0).2.failure(), Failure::NotADocument);
    let (_, _, end) = harness.get(2, 0);
    assert_eq!((end.failure(), end.reply.value.get()), (Failure::NotFound, 2));
}

#[test]
fn small_documents_that_wait_together_share_commits_and_appends() {
    let mut harness = Harness::on(blank(2048));
    let before = harness.vault.commits;
    let mut messages = Vec::new();
    for i in 0..400 {
        messages.extend(harness.submission("small", &document(100 + i, i as u64)));
    }
    let answers = harness.send_all(&messages);
    let receipts: Vec<u64> =
        answers.iter().filter(|a| a.answer == Answer::Receipt).map(Answered::sequence).collect();
    assert_eq!(receipts, (1..=400).collect::<Vec<u64>>(), "receipts come in order");
    let commits = harness.vault.commits - before;
    assert!(commits <= 40, "400 records took {commits} commits");
    let appends = harness.vault.log.iter().filter(|&&op| op == VaultOp::Append).count();
    assert!(appends <= 100, "400 blocks took {appends} appends");
    assert!(harness.vault.disk.is_sound());
    assert_eq!(harness.health().documents.get(), 400);
    for sequence in [1, 200, 400] {
        let (_, fetched, _) = harness.get(sequence, 0);
        assert_eq!(fetched, document(99 + sequence as usize, sequence - 1));
    }
}

#[test]
fn sixteen_that_are_sent_together_take_one_commit() {
    let mut harness = Harness::on(blank(2048));
    let mut messages = Vec::new();
    for i in 0..16 {
        messages.extend(harness.submission("four", &document(4096, i)));
    }
    let before = harness.vault.commits;
    harness.send_without_pause(messages);
    assert_eq!(harness.health().documents.get(), 16);
    assert_eq!(harness.vault.commits - before, 1);
}

#[test]
fn a_console_that_never_pauses_keeps_the_disk_busy() {
    let mut harness = Harness::on(blank(2048));
    let mut messages = Vec::new();
    for i in 0..48 {
        messages.extend(harness.submission("four", &document(4096, i)));
    }
    // The vault answers nothing meanwhile: its ring has room for two batches of sixteen, and they are sent.
    for (op, tag, value, data) in &messages[..3 * 40] {
        while !harness.offer(*op, *tag, *value, 0, data) {
            harness.notify();
            harness.answers();
        }
    }
    harness.notify();
    let before = harness.vault.commits;
    while harness.vault.serve(1) > 0 {}
    assert_eq!(harness.vault.commits - before, 2);
    // What has come behind them goes when the first is acknowledged.
    harness.notify();
    while harness.vault.serve(1) > 0 {}
    assert_eq!(harness.vault.commits - before, 3);
    harness.send_without_pause(messages.split_off(3 * 40));
    assert_eq!(harness.health().documents.get(), 48);
    assert!(harness.vault.disk.is_sound());
}

#[test]
fn a_console_that_stops_half_way_holds_up_nobody() {
    let mut harness = Harness::on(blank(512));
    let first = harness.submission("first", b"abc");
    let second = harness.submission("second", b"defghi");
    for (op, tag, value, data) in first.iter().chain(&second[..2]) {
        assert!(harness.offer(*op, *tag, *value, 0, data));
    }
    let answers = harness.work();
    assert_eq!(answers.iter().filter(|a| a.answer == Answer::Receipt).count(), 1);
    let (op, tag, value, data) = &second[2];
    let answers = harness.send(*op, *tag, *value, 0, data);
    assert_eq!(answers[0].sequence(), 2);
    assert!(harness.vault.disk.is_sound());
}

#[test]
fn large_and_small_documents_mixed_are_committed_whole() {
    let mut harness = Harness::on(blank(4096));
    let sizes = [10, 50_000, 0, 32768, 5, 5, 40_000, 4096, 300_000, 1];
    let mut messages = Vec::new();
    for (i, &size) in sizes.iter().enumerate() {
        messages.extend(harness.submission("mixed", &document(size, i as u64)));
    }
    harness.send_all(&messages);
    assert!(harness.vault.disk.is_sound());
    for (i, &size) in sizes.iter().enumerate() {
        let (_, fetched, end) = harness.get(1 + i as u64, 0);
        assert_eq!(end.answer, Answer::End);
        assert!(fetched == document(size, i as u64));
    }
}

#[test]
fn a_submission_that_is_not_what_it_was_declared_leaves_nothing() {
    let mut harness = Harness::on(blank(512));
    let blank_health = harness.health();
    let blank_assets = harness.archive.ledger.assets_end();
    let long = document(100_000, 1);
    let put = |harness: &mut Harness, declared: u64, hash: Option<[u8; 32]>, bytes: &[u8]| {
        let tag = harness.tag();
        let mut begin = Request::new_zeroed();
        (begin.op, begin.tag, begin.value) = ((Op::PutBegin as u16).into(), tag.into(), declared.into());
        begin.len = 4.into();
        if let Some(hash) = hash {
            (begin.flags, begin.hash) = (1.into(), hash);
        }
        assert!(harness.requests.send(begin.as_bytes(), b"name").unwrap());
        let mut messages = harness.submission("", bytes);
        messages.remove(0);
        messages.iter_mut().for_each(|message| message.1 = tag);
        let answers = harness.send_all(&messages);
        assert!(answers.iter().all(|answered| answered.reply.tag.get() == tag));
        answers.last().unwrap().clone()
    };
    let failed = |end: Answered| (end.failure(), end.reply.value.get());
    assert_eq!(failed(put(&mut harness, 100_001, None, &long)), (Failure::WrongSize, 100_000));
    assert_eq!(failed(put(&mut harness, 99_999, None, &long)).0, Failure::WrongSize);
    assert_eq!(failed(put(&mut harness, 0, None, b"x")), (Failure::WrongSize, 1));
    assert_eq!(failed(put(&mut harness, 100_000, Some([1; 32]), &long)), (Failure::WrongHash, 0));
    assert_eq!(failed(put(&mut harness, SIZE_UNKNOWN, Some([1; 32]), b"")), (Failure::WrongHash, 0));
    let health = harness.health();
    assert_eq!((health.records, harness.archive.ledger.assets_end()), (blank_health.records, blank_assets));

    assert_eq!(put(&mut harness, 100_000, Some(content_blake3(&long)), &long).sequence(), 1);
    assert_eq!(harness.archive.ledger.assets_end(), 100_000_u64.div_ceil(BLOCK_SIZE as u64));
    assert!(harness.vault.disk.is_sound());
}

#[test]
fn names_that_cannot_be_are_refused() {
    let mut harness = Harness::on(blank(512));
    let long = [b'n'; 1025];
    let bad: [&[u8]; 6] = [b"", &long, b"\xff\xfe", b"a\nb", "a\u{7f}".as_bytes(), "\u{9b}".as_bytes()];
    for name in bad {
        let tag = harness.tag();
        let answers = harness.send(Op::PutBegin, tag, 0, 0, name);
        assert_eq!(answers[0].failure(), Failure::BadName, "{name:?}");
        assert!(harness.send(Op::PutEnd, tag, 0, 0, &[]).is_empty(), "what follows is dropped");
    }
    for name in [&"n".repeat(1024), "a/b: c", " ", "ä"] {
        assert_eq!(harness.put(name, b"x").answer, Answer::Receipt, "{name}");
    }
}

#[test]
fn a_submission_that_is_given_up_gives_up_nothing_else() {
    let mut harness = Harness::on(blank(512));
    // A whole one waits in the batch while a large one begins, is partly sent to the vault, and given up.
    let mut messages = harness.submission("kept", b"kept");
    let large = harness.submission("given up", &document(200_000, 2));
    let tag = large[0].1;
    messages.extend_from_slice(&large[..30]);
    messages.push((Op::PutCancel, tag, 0, Vec::new()));
    messages.extend_from_slice(&large[30..]);
    let next = harness.submission("next", &document(50_000, 3));
    messages.extend(next);
    let answers = harness.send_all(&messages);
    let of_tag: Vec<&Answered> = answers.iter().filter(|a| a.reply.tag.get() == tag).collect();
    assert_eq!(of_tag.len(), 2);
    assert_eq!(of_tag[1].failure(), Failure::Cancelled);
    assert!(harness.vault.log.contains(&VaultOp::Abandon));
    assert_eq!(harness.health().documents.get(), 2);
    assert_eq!(harness.archive.ledger.assets_end(), 1 + 13);
    assert_eq!(harness.get(1, 0).1, b"kept");
    assert!(harness.get(2, 0).1 == document(50_000, 3));
    assert!(harness.vault.disk.is_sound());
}

#[test]
fn only_one_submission_is_open_at_a_time_and_its_bytes_come_in_order() {
    let mut harness = Harness::on(blank(512));
    assert_eq!(harness.send(Op::PutBegin, 1, 8, 0, b"one")[0].answer, Answer::Ready);
    assert_eq!(harness.send(Op::PutBegin, 2, 8, 0, b"two")[0].failure(), Failure::BadRequest);
    assert!(harness.send(Op::PutData, 2, 0, 0, b"two").is_empty());
    assert!(harness.send(Op::PutData, 1, 0, 0, b"ones").is_empty());
    let answers = harness.send(Op::PutData, 1, 5, 0, b"ones");
    assert_eq!((answers[0].failure(), answers[0].reply.tag.get()), (Failure::BadRequest, 1));
    assert!(harness.send(Op::PutCancel, 1, 0, 0, &[]).is_empty(), "it has ended");
    assert_eq!(harness.health().documents.get(), 0);
}

/// Whoever lists takes fewer records than there are for damage.
#[test]
fn a_listing_ends_with_the_records_there_were_when_it_began() {
    let mut harness = Harness::on(blank(512));
    for i in 0..20_u64 {
        harness.put("before", &i.to_le_bytes());
    }
    let tag = harness.tag();
    assert!(harness.offer(Op::List, tag, 0, u64::MAX, &[]));
    harness.notify();
    harness.settle();
    // It waits for room while a document is committed.
    for (op, tag, value, data) in harness.submission("meanwhile", b"one more") {
        assert!(harness.offer(op, tag, value, 0, &data));
    }
    harness.notify();
    harness.settle();
    assert_eq!(harness.health().records.get(), 22);
    let answers = harness.work();
    let of_listing = answers.iter().filter(|answered| answered.reply.tag.get() == tag);
    let (end, entries): (Vec<_>, Vec<_>) = of_listing.partition(|answered| answered.answer != Answer::Entry);
    let [end] = &end[..] else { panic!("{end:?}") };
    assert_eq!((end.answer, end.reply.value.get(), entries.len()), (Answer::Listed, 21, 21));
}

#[test]
fn a_listing_shows_every_record_in_order() {
    let mut harness = Harness::on(blank(512));
    for name in ["one", "two", "three", "four"] {
        harness.put(name, name.as_bytes());
    }
    let (entries, end) = harness.list(0, u64::MAX);
    let names: Vec<&[u8]> = entries.iter().map(|(_, name)| &name[..]).collect();
    assert_eq!(names, [&b""[..], b"one", b"two", b"three", b"four"]);
    assert_eq!(entries.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!((end.answer, end.reply.value.get()), (Answer::Listed, 5));
    assert_eq!(harness.list(2, 2).0, [(2, b"two".to_vec()), (3, b"three".to_vec())]);
    assert_eq!(harness.list(5, 9).0, []);
    assert_eq!(harness.list(u64::MAX, 1).1.reply.value.get(), 5);
    let tag = harness.tag();
    let answers = harness.send(Op::List, tag, 0, 2, &[]);
    let kinds: Vec<u8> = answers[..2].iter().map(|answered| answered.reply.code).collect();
    assert_eq!(kinds, [Kind::Genesis as u8, Kind::Document as u8]);
}

#[test]
fn a_reading_is_cancelled_and_submissions_go_on_beside_one() {
    let mut harness = Harness::on(blank(1024));
    let bytes = document(500_000, 1);
    let sequence = harness.put("long", &bytes).sequence();
    // Nobody takes the answers away, so the reading is stuck when its ring is full.
    assert!(harness.offer(Op::Get, 7, sequence, 0, &[]));
    harness.notify();
    harness.settle();
    // Behind it there is room for a submission's answers, and then for those of the Cancel.
    assert!(harness.offer(Op::PutBegin, 8, 3, 0, b"beside"));
    assert!(harness.offer(Op::PutData, 8, 0, 0, b"abc"));
    assert!(harness.offer(Op::PutEnd, 8, 0, 0, &[]));
    harness.notify();
    harness.settle();
    let answers = harness.answers();
    assert!(answers.iter().any(|a| a.answer == Answer::Receipt && a.reply.tag.get() == 8));
    let answers = harness.send(Op::Cancel, 7, 0, 0, &[]);
    assert_eq!(answers.last().unwrap().failure(), Failure::Cancelled);
    assert!(harness.send(Op::Cancel, 7, 0, 0, &[]).is_empty(), "nothing is being read");
    assert!(harness.get(sequence, 0).1 == bytes, "the next reading is not disturbed");
}

#[test]
fn blocks_that_come_for_a_cancelled_reading_are_not_taken_for_the_next() {
    let mut harness = Harness::on(blank(1024));
    let (first, second) = (document(70_000, 1), document(70_000, 2));
    let sequences = [harness.put("first", &first).sequence(), harness.put("second", &second).sequence()];
    for steps in 0..6 {
        assert!(harness.offer(Op::Get, 1, sequences[0], 0, &[]));
        for _ in 0..steps {
            harness.notify();
            harness.vault.serve(1);
        }
        harness.notify();
        harness.answers();
        assert!(harness.offer(Op::Cancel, 1, 0, 0, &[]));
        assert!(harness.offer(Op::Get, 2, sequences[1], 0, &[]));
        let answers = harness.work();
        let of_second = answers.iter().filter(|a| a.reply.tag.get() == 2 && a.answer == Answer::Data);
        assert!(of_second.flat_map(|a| a.data.clone()).eq(second.iter().copied()), "after {steps} steps");
        assert_eq!(answers.last().unwrap().answer, Answer::End);
    }
}

#[test]
fn a_full_volume_refuses_before_anything_is_committed() {
    // 256 blocks: 192 for ledger and content; the genesis has one, the document's record takes one, four are kept.
    let mut harness = Harness::on(blank(256));
    let total = harness.archive.ledger.layout().assets_end(1 + 1 + 4);
    let room = total * BLOCK_SIZE as u64;
    let (ready, refused) = (Answer::Ready, (Failure::Full, room));
    let answers = harness.send(Op::PutBegin, 1, room + 1, 0, b"too large");
    assert_eq!((answers[0].failure(), answers[0].reply.value.get()), refused);
    let answers = harness.send(Op::PutBegin, 2, u64::MAX - 1, 0, b"far too large");
    assert_eq!((answers[0].failure(), answers[0].reply.value.get()), refused);

    // One that does not say how large it is.
    let tag = harness.tag();
    let mut messages = vec![(Op::PutBegin, tag, SIZE_UNKNOWN, b"endless".to_vec())];
    for i in 0..total + 1 {
        messages.push((Op::PutData, tag, i * BLOCK_SIZE as u64, vec![1; BLOCK_SIZE]));
    }
    let answers = harness.send_all(&messages);
    assert_eq!(answers[0].answer, ready);
    assert_eq!((answers[1].failure(), answers[1].reply.value.get()), refused);
    assert_eq!((harness.health().documents.get(), harness.archive.ledger.assets_end()), (0, 0));

    assert_eq!(harness.put("all of it", &document(room as usize, 1)).sequence(), 1);
    let answers = harness.send(Op::PutBegin, 3, 1, 0, b"one byte");
    assert_eq!((answers[0].failure(), answers[0].reply.value.get()), (Failure::Full, 0));
    assert_eq!(harness.put("empty", b"").sequence(), 2);
    assert!(harness.get(1, 0).1 == document(room as usize, 1), "reading goes on");
    assert!(harness.vault.disk.is_sound());
}

#[test]
fn a_full_ledger_refuses_too_and_keeps_room_to_be_closed() {
    let mut harness = Harness::on(blank(256));
    let mut committed = 0;
    let refused = loop {
        let tag = harness.tag();
        let answers = harness.send(Op::PutBegin, tag, 0, 0, b"n");
        if answers[0].answer != Answer::Ready {
            break answers[0].clone();
        }
        assert_eq!(harness.send(Op::PutEnd, tag, 0, 0, &[])[0].sequence(), 1 + committed);
        committed += 1;
    };
    assert_eq!((refused.failure(), refused.reply.value.get()), (Failure::Full, 0));
    assert_eq!(committed, 192 - 1 - 4, "a block for the genesis and for each document; four are kept");
    assert_eq!(harness.list(0, 1000).0.len() as u64, 1 + committed);
    assert_eq!(harness.state(), ArchiveState::Active);
}
