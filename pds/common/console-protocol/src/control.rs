//! Control bytes between the console and whoever shares its one line out among several holders: `totebox run`
//! gives it to its terminal and to clients, one at a time. They are no part of what any holder sends, so the
//! one who shares the line out takes them out of what holders send; and nothing the console shows of a document,
//! a name or a line ever contains one, so an answer that is such a byte cannot be mistaken. The host tool uses
//! this module too. See docs/console-protocol.md.

/// Ctrl-C: whoever holds the line gives up what is under way.
pub const INTERRUPT: u8 = 0x03;

/// The input has ended (EOT, as Ctrl-D). Unlike the others it has its turn: it is answered, with [`DONE`] or
/// [`NOT_DONE`], once everything before it was. Only at the beginning of a line.
pub const END: u8 = 0x04;

/// Everything up to [`END`] was carried out (ACK).
pub const DONE: u8 = 0x06;

/// Something before [`END`] was refused, or given up (NAK).
pub const NOT_DONE: u8 = 0x15;

/// The terminal loses the line to another holder (SO). That one begins with Ctrl-C.
pub const AWAY: u8 = 0x0e;

/// The terminal has the line again, and sent nothing meanwhile (SI). Also the console's answer to this and to
/// the next two: everything before it was meant for the other holder.
pub const BACK: u8 = 0x0f;

/// The terminal has the line again; what it sent meanwhile is lost, and ended within a line (CAN).
pub const BACK_WITHIN_LINE: u8 = 0x18;

/// The terminal has the line again; what it sent meanwhile is lost, and ended with a line (EM).
pub const BACK_LINES_LOST: u8 = 0x19;

/// Whether a byte is one of those that only who shares the line out may send.
pub const fn is_reserved(byte: u8) -> bool {
    matches!(byte, END | AWAY | BACK | BACK_WITHIN_LINE | BACK_LINES_LOST)
}
