//! Standard input that is no terminal: a script, of which whole lines of text go to the appliance.
//!
//! There is nobody at a keyboard, so nothing in it is a key. What the console would take for one (Ctrl-C voids what
//! came before it, others edit the line or do nothing) would make another text of it, in silence. So a script ends at
//! the first line that has such a byte, and that is said.

use std::fmt;

use totebox_console_protocol::data::LINE_MAX;

#[derive(Debug)]
pub struct Script {
    /// The beginning of a line whose end has not come: it is not known yet whether it is text.
    held: Vec<u8>,
    /// The number of the line that is being read, from 1.
    line: u64,
    after_return: bool,
    /// What was sent ends within a line: one that is too long.
    within_line: bool,
}

/// A byte that is neither text nor ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoText {
    line: u64,
    byte: u8,
}

impl fmt::Display for NoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoText { line, byte } = self;
        write!(
            f,
            "standard input, line {line}: byte 0x{byte:02x} is not text; this line and what follows it are not carried \
             out. A file with such bytes goes in with: totebox put ARCHIVE FILE"
        )
    }
}

impl Script {
    pub fn new() -> Script {
        Script { held: Vec::new(), line: 1, after_return: false, within_line: false }
    }

    /// Takes its next piece. Returns what may be sent by now, and what ends it early, if something does.
    pub fn take(&mut self, piece: &[u8]) -> (Vec<u8>, Option<NoText>) {
        let mut sent = Vec::new();
        for &byte in piece {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            if byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n') {
                self.held.clear();
                return (sent, Some(NoText { line: self.line, byte }));
            }
            self.held.push(byte);
            let ends_line = matches!(byte, b'\r' | b'\n');
            // The console refuses a line that is too long, whatever its rest is.
            if ends_line || self.held.len() > LINE_MAX {
                sent.append(&mut self.held);
                self.within_line = !ends_line;
            }
            if ends_line && !(after_return && byte == b'\n') {
                self.line += 1;
            }
        }
        (sent, None)
    }

    /// There is no more of it: its last line, if that has no end, and its end.
    pub fn end(&mut self) -> Vec<u8> {
        let mut last = std::mem::take(&mut self.held);
        if !last.is_empty() || std::mem::take(&mut self.within_line) {
            last.push(b'\n');
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_go_on_however_they_come() {
        let text = "a\ttab\r\nüber\n\n\rlast".as_bytes();
        let mut script = Script::new();
        let mut sent: Vec<u8> = text.iter().flat_map(|byte| script.take(&[*byte]).0).collect();
        assert!(sent.ends_with(b"\n\n\r"));
        sent.extend(script.end());
        assert_eq!(sent, [text, b"\n"].concat());
        assert_eq!(script.end(), b"");
    }

    #[test]
    fn a_byte_that_is_no_text_takes_its_line_and_the_rest_with_it() {
        for byte in (0..0x20).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
            let mut script = Script::new();
            assert_eq!(script.take(b"one\r\ntwo\narchive one "), (b"one\r\ntwo\n".to_vec(), None));
            let piece = [b"fin", &[byte][..], b"al\nfour\n"].concat();
            assert_eq!(script.take(&piece), (vec![], Some(NoText { line: 3, byte })));
            assert_eq!(script.end(), b"", "no part of a line is one");
        }
        let said = NoText { line: 3, byte: 7 }.to_string();
        assert!(said.starts_with("standard input, line 3: byte 0x07 is not text"), "{said}");
    }

    #[test]
    fn no_line_is_held_that_the_console_refuses_anyway() {
        let mut script = Script::new();
        assert_eq!(script.take(&[b'x'; LINE_MAX]), (vec![], None));
        assert_eq!(script.take(b"x"), (vec![b'x'; LINE_MAX + 1], None));
        assert_eq!(script.take(b"y\x03"), (vec![], Some(NoText { line: 1, byte: 3 })));
        assert_eq!(script.end(), b"\n", "what was sent of it is a line");
    }
}
