//! What waits for the serial line. Nothing is lost and nothing blocks: whoever writes here asks first
//! whether there is room ([`Output::ready`]) for the most that one event can lead to.

use alloc::collections::VecDeque;
use core::fmt::{self, Write};

use totebox_console_protocol::control;
use totebox_console_protocol::table::{Column, Table};
use totebox_domain::device::Uart;
use totebox_shown::{Shown, is_printable};

use super::limits::BURST_MAX;
use super::progress::Progress;

/// Room for one event while the line still works on another.
pub const CAPACITY: usize = 2 * BURST_MAX;

/// Bytes on their way to the serial line.
pub struct Output {
    bytes: VecDeque<u8>,
    /// Whether lines end in their checksum (machine mode).
    checked: bool,
    /// Whether lines are events: they answer nothing.
    events: bool,
    /// Whether the cursor stands after something: a prompt, what was typed, text without a line end.
    mid_line: bool,
    /// Something was refused or given up since it was last asked.
    failed: bool,
}

impl Output {
    pub fn new() -> Self {
        Output {
            bytes: VecDeque::with_capacity(CAPACITY),
            checked: false,
            events: false,
            mid_line: false,
            failed: false,
        }
    }

    /// Whether there is room for what one event can write.
    pub fn ready(&self) -> bool {
        CAPACITY - self.bytes.len() >= BURST_MAX
    }

    /// Whether lines end in their checksum: a program is at the line, in machine mode, and not a person.
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// Whether lines end in their checksum from now on.
    pub fn set_checked(&mut self, checked: bool) {
        self.checked = checked;
    }

    /// Whether lines are events from now on.
    pub fn set_events(&mut self, events: bool) {
        self.events = events;
    }

    /// Whether the cursor stands after something.
    pub fn mid_line(&self) -> bool {
        self.mid_line
    }

    /// Writes one whole line, on a line of its own. Nothing unprintable in it reaches the line.
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        self.write_line(text, self.checked);
    }

    /// Writes a table for a person.
    pub fn table<R, const N: usize>(&mut self, columns: [Column<R>; N], rows: impl Iterator<Item = R> + Clone) {
        let table = Table::new(columns, rows.clone());
        self.line(format_args!("{}", table.header()));
        rows.for_each(|row| self.line(format_args!("{}", table.row(&row))));
    }

    /// Writes one whole line that ends in its checksum whatever the mode.
    pub fn checked_line(&mut self, text: fmt::Arguments<'_>) {
        self.write_line(text, true);
    }

    fn write_line(&mut self, text: fmt::Arguments<'_>, checked: bool) {
        if self.mid_line {
            self.end_line();
        }
        let mut line = Line { bytes: &mut self.bytes, checksum: crc32fast::Hasher::new() };
        let event = if self.events { "*" } else { "" };
        write!(line, "{event}{}", Shown(text)).expect("writing to memory");
        let checksum = line.checksum.finalize();
        if checked {
            write!(Line::unchecked(&mut self.bytes), " #{checksum:08x}").expect("writing to memory");
        }
        self.end_line();
    }

    /// Writes where the cursor stands, as it is: a prompt, text that was looked through, what moves the cursor.
    pub fn raw(&mut self, text: &str) {
        append(&mut self.bytes, text.as_bytes());
        self.mid_line |= !text.is_empty();
    }

    /// Shows what was typed where the cursor stands: a column for each character, and for each byte that is no
    /// text; a tab as a blank, others that are not printable as `?`.
    pub fn typed(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                let shown = match character {
                    '\t' => ' ',
                    character if is_printable(character) => character,
                    _ => '?',
                };
                self.raw(shown.encode_utf8(&mut [0; 4]));
            }
            chunk.invalid().iter().for_each(|_| self.raw("?"));
        }
    }

    /// Ends the line the cursor stands on.
    pub fn end_line(&mut self) {
        append(&mut self.bytes, b"\r\n");
        self.mid_line = false;
    }

    /// Notes that something was refused or given up.
    pub fn failed(&mut self) {
        self.failed = true;
    }

    /// What came before is for the holder before; what follows is for the terminal.
    pub fn back(&mut self) {
        append(&mut self.bytes, &[control::BACK]);
    }

    /// Everything up to the end of the input was attended to.
    pub fn input_ended(&mut self) {
        let answer = if core::mem::take(&mut self.failed) { control::NOT_DONE } else { control::DONE };
        append(&mut self.bytes, &[answer]);
    }

    /// Hands the line as much as it takes.
    pub fn drain(&mut self, uart: &mut impl Uart) -> Progress {
        let mut progress = Progress::Idle;
        while !self.bytes.is_empty() {
            let (next, _) = self.bytes.as_slices();
            let taken = uart.transmit(next).min(next.len());
            if taken == 0 {
                break;
            }
            self.bytes.drain(..taken);
            progress = Progress::Moved;
        }
        progress
    }
}

/// One line being written, with the checksum of what it holds so far.
struct Line<'a> {
    bytes: &'a mut VecDeque<u8>,
    checksum: crc32fast::Hasher,
}

impl<'a> Line<'a> {
    fn unchecked(bytes: &'a mut VecDeque<u8>) -> Self {
        Line { bytes, checksum: crc32fast::Hasher::new() }
    }
}

impl Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.checksum.update(text.as_bytes());
        append(self.bytes, text.as_bytes());
        Ok(())
    }
}

/// Appends, within the capacity allocated at construction: more would be a mistake of [`BURST_MAX`].
fn append(queue: &mut VecDeque<u8>, bytes: &[u8]) {
    assert!(queue.len() + bytes.len() <= CAPACITY, "an event wrote more than BURST_MAX");
    queue.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// A line that takes `step` bytes at a time, `budget` in all.
    struct Slow {
        taken: Vec<u8>,
        step: usize,
        budget: usize,
    }

    impl Uart for Slow {
        fn receive(&mut self, _: &mut [u8]) -> usize {
            0
        }
        fn transmit(&mut self, bytes: &[u8]) -> usize {
            let count = bytes.len().min(self.step).min(self.budget);
            self.taken.extend(&bytes[..count]);
            self.budget -= count;
            count
        }
        fn acknowledge(&mut self) {}
    }

    #[test]
    fn it_takes_the_heap_it_says_however_much_it_is_written() {
        let mut output = Output::new();
        while output.ready() {
            output.line(format_args!("a line"));
        }
        assert_eq!(output.bytes.capacity(), CAPACITY);
    }

    #[test]
    fn a_slow_line_gets_every_byte_in_order() {
        let mut output = Output::new();
        let mut expected = Vec::new();
        let mut uart = Slow { taken: Vec::new(), step: 7, budget: 0 };
        for round in 0..2000 {
            if output.ready() {
                output.line(format_args!("line {round}"));
                expected.extend(alloc::format!("line {round}\r\n").bytes());
            }
            uart.budget = 5;
            let _ = output.drain(&mut uart);
        }
        uart.budget = usize::MAX;
        assert_eq!(output.drain(&mut uart), Progress::Moved);
        assert_eq!(uart.taken, expected);
        assert_eq!(output.drain(&mut uart), Progress::Idle);
    }

    #[test]
    fn lines_in_machine_mode_carry_their_checksum() {
        let mut output = Output::new();
        output.set_checked(true);
        output.line(format_args!("{}", "123456789"));
        let mut uart = Slow { taken: Vec::new(), step: 100, budget: 100 };
        assert_eq!(output.drain(&mut uart), Progress::Moved);
        assert_eq!(uart.taken, b"123456789 #cbf43926\r\n");
    }

    #[test]
    fn nothing_but_printable_characters_goes_out_and_the_checksum_is_theirs() {
        let mut output = Output::new();
        output.set_checked(true);
        output.line(format_args!("-x {}", "\u{1b}[2J\n\u{202e}"));
        let mut uart = Slow { taken: Vec::new(), step: 100, budget: 100 };
        assert_eq!(output.drain(&mut uart), Progress::Moved);
        let (line, checksum) = uart.taken.split_at(uart.taken.len() - 12);
        assert_eq!(line, br"-x \x1b[2J\x0a\xe2\x80\xae");
        assert_eq!(checksum, alloc::format!(" #{:08x}\r\n", crc32fast::hash(line)).as_bytes());
    }

    #[test]
    fn a_line_never_continues_a_prompt() {
        let mut output = Output::new();
        output.raw("totebox> ");
        output.line(format_args!("*news"));
        let mut uart = Slow { taken: Vec::new(), step: 100, budget: 100 };
        assert_eq!(output.drain(&mut uart), Progress::Moved);
        assert_eq!(uart.taken, b"totebox> \r\n*news\r\n");
    }
}
