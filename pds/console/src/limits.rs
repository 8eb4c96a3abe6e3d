//! How many bytes the lines of each kind take at most, their checksums included, and so what handling one event
//! can write. Tests hold the longest lines there are against these.

use totebox_console_protocol::data::CONTENT_MAX;
use totebox_manifest::VOLUMES_MAX;
use totebox_manifest::conversation::INTAKE_DATA;
use totebox_protocol::audit::RANGES_MAX;
use totebox_protocol::flag::FLAGS_MAX;
use totebox_protocol::operator::REASON_MAX;
use totebox_protocol::page::HISTORY_MAX;
use totebox_protocol::trace::NOTES_MAX;

/// An answer's last line, a table's head, and what else is said once in an answer.
pub const ONCE_MAX: usize = 4 * 1024;

/// All lines of one volume in `status`, or in news.
pub const VOLUME_LINES_MAX: usize = 1280;

/// One volume's verdict.
pub const VERDICT_LINE_MAX: usize = 384;

pub const FLAG_LINE_MAX: usize = 640;

/// How much more was found in one volume than its flags say.
pub const MORE_LINE_MAX: usize = 192;

/// One range of findings.
pub const RANGE_LINE_MAX: usize = 320;

/// One record of the audit record. A reason stands there twice, quoted, and once quoted again.
pub const EVENT_LINE_MAX: usize = 512 + 10 * REASON_MAX;

/// What a domain noted.
pub const NOTE_LINE_MAX: usize = 192;

/// The part of a character that a message of content can end with; a return is shorter.
pub const PART_MAX: usize = 3;

/// Bytes that handling one event writes at most: what the largest deployment's `status`, `flags` and `history`, or
/// all that can be new on the status page together with the answer to an order, take. Content comes in far smaller
/// pieces.
pub const BURST_MAX: usize = {
    let news = VOLUMES_MAX * (VOLUME_LINES_MAX + VERDICT_LINE_MAX);
    let flags = FLAGS_MAX * FLAG_LINE_MAX + VOLUMES_MAX * MORE_LINE_MAX;
    let history = HISTORY_MAX * EVENT_LINE_MAX;
    let rows = if news > flags { news } else { flags };
    ONCE_MAX + if rows > history { rows } else { history }
};

// All findings of a volume beyond its flags fit one answer: there is nothing to page through.
const _: () = assert!(BURST_MAX >= ONCE_MAX + RANGES_MAX * RANGE_LINE_MAX);
// So does a trace.
const _: () = assert!(BURST_MAX >= ONCE_MAX + NOTES_MAX * NOTE_LINE_MAX);
// A message of content, each byte of it a line feed or in data lines, is far from the most.
const _: () = assert!(BURST_MAX > 2 * (INTAKE_DATA + PART_MAX) + 64 && CONTENT_MAX < INTAKE_DATA);
