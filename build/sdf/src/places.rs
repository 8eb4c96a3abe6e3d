//! Where a byte of a text stands. Found in about the same time wherever that is, so that a text of many mistakes is read in
//! a time in proportion to its length.

use crate::Place;

/// Bytes between two at which the characters before are known.
const STEP: usize = 256;

/// The lines and characters of a text, counted once.
#[derive(Clone, Debug)]
pub struct Places<'a> {
    text: &'a str,
    /// The byte each line begins at.
    lines: Vec<usize>,
    /// The characters that begin before each [`STEP`]th byte.
    characters: Vec<usize>,
}

impl<'a> Places<'a> {
    pub fn new(text: &'a str) -> Places<'a> {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at);
        let lines = [0].into_iter().chain(ends.map(|end| end + 1)).collect();
        let mut before = 0;
        let mut characters = vec![0];
        for piece in text.as_bytes().chunks_exact(STEP) {
            before += begun(piece);
            characters.push(before);
        }
        Places { text, lines, characters }
    }

    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The place of the character that a byte belongs to; of one beyond the text that of its end.
    pub fn of(&self, byte: usize) -> Place {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.lines.partition_point(|&start| start <= byte);
        let column = self.before(byte) - self.before(self.lines[line - 1]) + 1;
        Place { line: line as u32, column: column as u32 }
    }

    /// The characters before a byte.
    fn before(&self, byte: usize) -> usize {
        let step = byte / STEP;
        self.characters[step] + begun(&self.text.as_bytes()[step * STEP..byte])
    }
}

/// How many characters begin in these bytes.
fn begun(bytes: &[u8]) -> usize {
    let continues = |byte: &u8| byte & 0xc0 == 0x80;
    bytes.iter().filter(|byte| !continues(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_what_counting_from_the_start_gives() {
        let long = "ä€🙂x".repeat(200);
        for text in ["", "\n", "a\nb\r\nc", &long, &format!("{long}\n\n{long}\n")] {
            let places = Places::new(text);
            for byte in 0..text.len() + 3 {
                let before = &text[..text.floor_char_boundary(byte)];
                let line = before.matches('\n').count() as u32 + 1;
                let column = before.rsplit('\n').next().unwrap().chars().count() as u32 + 1;
                assert_eq!(places.of(byte), Place { line, column }, "byte {byte} of {text:?}");
            }
        }
    }
}
