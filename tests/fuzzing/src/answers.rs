//! The lines the appliance sends, before the host tool; and what both ends of the line quote and encode.

use totebox_console_protocol::data::{CONTENT_MAX, Content, decode, verified};
use totebox_console_protocol::words::{Quoted, split};
use totebox_operator::client::lines::Line;
use totebox_shown::testing::unprintable;

use crate::Target;

/// The target.
pub const TARGET: Target =
    Target { name: "answers", run, memory: 64 * 1024, memory_per_byte: 64, mutations: 20000, seeds };

fn run(input: &[u8]) {
    for line in input.split(|&byte| byte == b'\n') {
        let body = verified(line).unwrap_or(line);
        if let Ok(text) = str::from_utf8(body) {
            let _ = Line::parse(text);
        }
        let mut buffer = vec![0; line.len()];
        if let Ok(words) = split(line, &mut buffer) {
            assert!(words.iter().map(|word| word.len()).sum::<usize>() <= line.len());
        }
    }
    quoted(input);
    content(input);
}

/// A text that was quoted is one word, and the same text.
fn quoted(input: &[u8]) {
    let line = Quoted(input).to_string();
    assert_eq!(unprintable(&line), None);
    let mut buffer = vec![0; line.len()];
    match str::from_utf8(input) {
        Ok(text) => assert_eq!(split(line.as_bytes(), &mut buffer).as_deref(), Ok(&[text][..])),
        Err(_) => assert!(split(line.as_bytes(), &mut buffer).is_err(), "a name is text"),
    }
}

/// Content that was encoded is read back.
fn content(input: &[u8]) {
    let bytes = &input[..input.len().min(CONTENT_MAX)];
    let line = Content { offset: input.len() as u64, bytes }.to_string();
    let mut out = [0; CONTENT_MAX];
    assert_eq!(decode(line.as_bytes(), &mut out), Some((input.len() as u64, bytes.len())));
    assert_eq!(&out[..bytes.len()], bytes);
}

fn seeds() -> Vec<Vec<u8>> {
    let hash = "0123456789abcdef".repeat(4);
    let receipt = format!("+receipt 1 seq=1 size=24 hash={hash} record={hash} time=2026-01-01T00:00:00.000Z");
    let lines = [
        "+ready 1 8",
        "+pending 1",
        &receipt,
        "-archive-broken:1 archive contracts was lost before it answered; see `status`",
        "=document seq=1 size=256 name=\"lease \\\"of\\x0a\\\" 2026.pdf\"",
        "@0 YWJj #e7ac20de",
        "?4096 checksum",
        "*-cancelled:3 the line hung up",
        "*archive contracts broke its protocol",
        "+ls records=2",
    ];
    lines.into_iter().map(|line| line.as_bytes().to_vec()).collect()
}
