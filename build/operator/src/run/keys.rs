//! What the operator typed at a terminal, and nobody got.

use totebox_console_protocol::control;

/// Whether a key ends a line.
fn ends_line(key: &u8) -> bool {
    matches!(key, b'\r' | b'\n')
}

/// Keys that reached nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// None but line ends.
    Nothing,
    Lines,
    WithinLine,
}

impl Lost {
    pub fn add(&mut self, keys: &[u8]) {
        match keys.last() {
            Some(last) if !ends_line(last) => *self = Lost::WithinLine,
            Some(_) if *self != Lost::Nothing || !keys.iter().all(ends_line) => *self = Lost::Lines,
            _ => {}
        }
    }

    /// The byte that tells the console that the terminal has the line again.
    pub const fn signal(self) -> u8 {
        match self {
            Lost::Nothing => control::BACK,
            Lost::Lines => control::BACK_LINES_LOST,
            Lost::WithinLine => control::BACK_WITHIN_LINE,
        }
    }
}

/// Whether a line in it was typed to its end.
pub fn has_line(typed: &[u8]) -> bool {
    typed.iter().skip_while(|key| ends_line(key)).any(ends_line)
}

/// Takes away what waits to be sent to the console and is void; what acts at once stays. Returns what it was.
pub fn void_unsent(unsent: &mut Vec<u8>) -> Vec<u8> {
    let acts = |byte: &u8| *byte == control::INTERRUPT || control::is_reserved(*byte);
    unsent.split_off(unsent.iter().rposition(acts).map_or(0, |at| at + 1))
}
