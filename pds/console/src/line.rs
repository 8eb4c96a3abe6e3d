//! Putting lines together from bytes, with the little editing a bare terminal needs.

use alloc::vec::Vec;

use totebox_console_protocol::data::LINE_MAX;

use super::output::Output;

const BELL: &str = "\x07";
const BACKSPACE: u8 = 0x08;
const TAB: u8 = b'\t';
const LINE_FEED: u8 = b'\n';
const RETURN: u8 = b'\r';
const KILL_LINE: u8 = 0x15;
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;

/// A terminal's keys that are not characters (arrows, Home) send escape sequences; they are swallowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Plain,
    /// After ESC.
    Escape,
    /// After ESC `[` or ESC `O`, up to a final byte.
    Sequence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Whole,
    /// It was longer than [`LINE_MAX`]; what was kept of it means nothing.
    TooLong,
}

pub struct LineEditor {
    text: Vec<u8>,
    too_long: bool,
    /// Bytes at its end that are not shown yet: the beginning of a character.
    unshown: usize,
    after_return: bool,
    key: Key,
}

impl LineEditor {
    pub fn new() -> Self {
        let text = Vec::with_capacity(LINE_MAX);
        LineEditor { text, too_long: false, unshown: 0, after_return: false, key: Key::Plain }
    }

    /// Whether nothing was typed since the last line.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What was typed so far and is shown.
    pub fn shown(&self) -> &[u8] {
        &self.text[..self.text.len() - self.unshown]
    }

    /// Forgets what was typed.
    pub fn clear(&mut self) {
        self.text.clear();
        (self.too_long, self.unshown, self.key) = (false, 0, Key::Plain);
    }

    /// Takes a byte as it is. Returns how the line ended, if it did.
    pub fn take(&mut self, byte: u8) -> Option<Ending> {
        if let Some(ending) = self.line_end(byte) {
            return ending;
        }
        self.push(byte);
        None
    }

    /// Takes a byte that a person typed and shows it. Returns how the line ended, if it did.
    pub fn edit(&mut self, byte: u8, echo: &mut Output) -> Option<Ending> {
        if let Some(ending) = self.line_end(byte) {
            if ending.is_some() {
                echo.end_line();
            }
            return ending;
        }
        match (self.key, byte) {
            (Key::Escape, b'[' | b'O') => self.key = Key::Sequence,
            (Key::Escape, _) => self.key = Key::Plain,
            (Key::Sequence, 0x40..=0x7e) => self.key = Key::Plain,
            (Key::Sequence, _) => {}
            (Key::Plain, ESCAPE) => self.key = Key::Escape,
            (Key::Plain, BACKSPACE | DELETE) => self.erase_last(echo),
            (Key::Plain, KILL_LINE) => {
                while !self.text.is_empty() {
                    self.erase_last(echo);
                }
            }
            // What is no key here, and cannot be kept, is not dropped in silence.
            (Key::Plain, 0..=0x1f) if byte != TAB => echo.raw(BELL),
            (Key::Plain, _) => self.show(byte, echo),
        }
        None
    }

    /// Moves the line that ended into `out`, whose memory the next line uses.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        core::mem::swap(&mut self.text, out);
        self.clear();
    }

    /// `None` if this byte does not end a line. A line feed right after a return belongs to it.
    fn line_end(&mut self, byte: u8) -> Option<Option<Ending>> {
        let after_return = core::mem::replace(&mut self.after_return, byte == RETURN);
        match byte {
            LINE_FEED if after_return => Some(None),
            LINE_FEED | RETURN => Some(Some(if self.too_long { Ending::TooLong } else { Ending::Whole })),
            _ => None,
        }
    }

    fn push(&mut self, byte: u8) -> bool {
        let fits = self.text.len() < LINE_MAX;
        if fits {
            self.text.push(byte);
        } else {
            self.too_long = true;
        }
        fits
    }

    /// Keeps a byte and shows it, once the character it belongs to is whole or cannot become one.
    fn show(&mut self, byte: u8, echo: &mut Output) {
        if !self.push(byte) {
            return echo.raw(BELL);
        }
        let fresh = &self.text[self.text.len() - self.unshown - 1..];
        let begun = match core::str::from_utf8(fresh) {
            Err(error) if error.error_len().is_none() => fresh.len() - error.valid_up_to(),
            // A byte that continues nothing may itself begin a character.
            Err(_) if byte >= 0xc0 => 1,
            _ => 0,
        };
        echo.typed(&fresh[..fresh.len() - begun]);
        self.unshown = begun;
    }

    /// Takes back the last character, all its bytes, or the last byte that is no text.
    fn erase_last(&mut self, echo: &mut Output) {
        self.text.truncate(self.text.len() - self.unshown);
        self.unshown = 0;
        let Some(last) = self.text.utf8_chunks().last() else { return };
        let len = match (last.invalid(), last.valid().chars().next_back()) {
            ([], Some(character)) => character.len_utf8(),
            _ => 1,
        };
        self.text.truncate(self.text.len() - len);
        echo.raw("\x08 \x08");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;

    /// The lines that result from typing.
    fn typed(bytes: &[u8]) -> Vec<(Ending, String)> {
        let (mut editor, mut echo) = (LineEditor::new(), Output::new());
        collect(bytes, &mut editor, |editor, byte| editor.edit(byte, &mut echo))
    }

    fn collect(
        bytes: &[u8],
        editor: &mut LineEditor,
        mut take: impl FnMut(&mut LineEditor, u8) -> Option<Ending>,
    ) -> Vec<(Ending, String)> {
        let mut lines = vec![];
        let mut line = vec![];
        for &byte in bytes {
            if let Some(ending) = take(editor, byte) {
                editor.finish(&mut line);
                lines.push((ending, String::from_utf8_lossy(&line).into_owned()));
            }
        }
        lines
    }

    fn whole(lines: &[&str]) -> Vec<(Ending, String)> {
        lines.iter().map(|line| (Ending::Whole, String::from(*line))).collect()
    }

    #[test]
    fn return_line_feed_or_both_end_a_line() {
        assert_eq!(typed(b"a\rb\nc\r\nd\n\re\r\r"), whole(&["a", "b", "c", "d", "", "e", ""]));
    }

    #[test]
    fn a_person_can_correct_what_was_typed() {
        assert_eq!(typed(b"stauts\x7f\x7f\x7ftus\r"), whole(&["status"]));
        assert_eq!(typed("Zü\x08\x08\x08\x08ok\r".as_bytes()), whole(&["ok"]));
        assert_eq!(typed(b"wrong\x15right\r"), whole(&["right"]));
        assert_eq!(typed(b"a\x1b[A\x1b[3~\x1bOHb\tc\x01\r"), whole(&["ab\tc"]));
    }

    #[test]
    fn bytes_of_a_machine_are_kept_as_they_are() {
        let lines = collect(b"a\x7f\x1b[A\x15\r\n", &mut LineEditor::new(), |editor, byte| editor.take(byte));
        assert_eq!(lines, whole(&["a\x7f\x1b[A\x15"]));
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_up_to_its_end() {
        let mut bytes = vec![b'x'; LINE_MAX];
        bytes.extend(b"\n");
        assert_eq!(typed(&bytes)[0].0, Ending::Whole);
        bytes.insert(0, b'x');
        bytes.extend(b"next\n");
        let lines = typed(&bytes);
        assert_eq!((lines[0].0, &lines[1]), (Ending::TooLong, &(Ending::Whole, String::from("next"))));
    }
}
