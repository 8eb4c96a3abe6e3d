//! What came over the serial line and was not taken up yet. Signals (Ctrl-C, and that the line goes to another
//! holder and comes back) are seen here, ahead of everything that waits, so that they work whatever the console
//! is waiting for.

use alloc::collections::VecDeque;

use totebox_console_protocol::control;
use totebox_console_protocol::data::{LINE_MAX, WINDOW};
use totebox_domain::device::Uart;

use super::progress::Progress;

/// Room for a full window of lines and the next, so that a peer within it has its Ctrl-C seen at once.
const CAPACITY: usize = (WINDOW + 1) * (LINE_MAX + 2);

/// Signals kept at most, and bytes taken from the line at a time: each may be one.
const SIGNALS_MAX: usize = 256;

/// Bytes of heap it takes.
pub const HEAP: usize = CAPACITY + SIGNALS_MAX * size_of::<(Signal, Lost)>();

/// What acts at once, and voids everything that came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The terminal loses the line to another holder.
    Away,
    /// The terminal has the line again. This is what it sent meanwhile, which is lost.
    Back(Lost),
}

/// What of a peer's bytes was never taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing but line ends at most.
    Nothing,
    Lines,
    /// Something whose last line was not ended: its rest may still come.
    WithinLine,
}

impl Signal {
    fn of(byte: u8) -> Option<Signal> {
        Some(match byte {
            control::INTERRUPT => Signal::Interrupt,
            control::AWAY => Signal::Away,
            control::BACK => Signal::Back(Lost::Nothing),
            control::BACK_LINES_LOST => Signal::Back(Lost::Lines),
            control::BACK_WITHIN_LINE => Signal::Back(Lost::WithinLine),
            _ => return None,
        })
    }
}

pub struct Input {
    bytes: VecDeque<u8>,
    /// The signals that were not taken up yet, each with what it voided.
    signals: VecDeque<(Signal, Lost)>,
    /// What Ctrl-C has voided of whole lines, until it is asked for.
    interrupted: Interrupted,
}

/// What of lines Ctrl-C has voided that were typed to their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interrupted {
    #[default]
    Nothing,
    /// The end of the line that was being put together, if there was one.
    End,
    Lines,
}

impl Input {
    pub fn new() -> Self {
        let (bytes, signals) = (VecDeque::with_capacity(CAPACITY), VecDeque::with_capacity(SIGNALS_MAX));
        Input { bytes, signals, interrupted: Interrupted::Nothing }
    }

    /// Takes what the line has, as far as there is room.
    pub fn fill(&mut self, uart: &mut impl Uart) -> Progress {
        let mut progress = Progress::Idle;
        let mut chunk = [0; SIGNALS_MAX];
        loop {
            let room = (SIGNALS_MAX - self.signals.len()).min(CAPACITY - self.bytes.len());
            let count = uart.receive(&mut chunk[..room]).min(room);
            if count == 0 {
                return progress;
            }
            progress = Progress::Moved;
            for &byte in &chunk[..count] {
                match Signal::of(byte) {
                    None => self.bytes.push_back(byte),
                    Some(signal) => {
                        if signal == Signal::Interrupt {
                            self.interrupted = self.interrupted.max(self.ended());
                        }
                        let voided = self.clear();
                        self.signals.push_back((signal, voided));
                    }
                }
            }
        }
    }

    /// The next signal, and what it voided that was never taken up.
    pub fn take_signal(&mut self) -> Option<(Signal, Lost)> {
        self.signals.pop_front()
    }

    /// What of lines Ctrl-C has voided since this was last asked.
    pub fn take_interrupted(&mut self) -> Interrupted {
        core::mem::take(&mut self.interrupted)
    }

    /// What of lines waits that were typed to their end.
    fn ended(&self) -> Interrupted {
        let ends_line = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let mut behind_text = self.bytes.iter().skip_while(|byte| ends_line(byte));
        match self.bytes.front() {
            _ if behind_text.any(ends_line) => Interrupted::Lines,
            Some(first) if ends_line(first) => Interrupted::End,
            _ => Interrupted::Nothing,
        }
    }

    pub fn pop(&mut self) -> Option<u8> {
        self.bytes.pop_front()
    }

    /// What waits to be taken up.
    pub fn waiting(&self) -> Lost {
        let ends_line = |byte: &u8| matches!(byte, b'\r' | b'\n');
        match self.bytes.back() {
            Some(last) if !ends_line(last) => Lost::WithinLine,
            _ if self.bytes.iter().all(ends_line) => Lost::Nothing,
            _ => Lost::Lines,
        }
    }

    /// Forgets everything that waits; returns what it was.
    pub fn clear(&mut self) -> Lost {
        let lost = self.waiting();
        self.bytes.clear();
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    struct Source(VecDeque<u8>);

    impl Uart for Source {
        fn receive(&mut self, out: &mut [u8]) -> usize {
            let count = out.len().min(self.0.len());
            for slot in &mut out[..count] {
                *slot = self.0.pop_front().unwrap();
            }
            count
        }
        fn transmit(&mut self, _: &[u8]) -> usize {
            0
        }
        fn acknowledge(&mut self) {}
    }

    fn drain(input: &mut Input) -> Vec<u8> {
        core::iter::from_fn(|| input.pop()).collect()
    }

    #[test]
    fn it_takes_the_heap_it_says() {
        let Input { bytes, signals, .. } = Input::new();
        assert_eq!(bytes.capacity() + signals.capacity() * size_of::<(Signal, Lost)>(), HEAP);
    }

    #[test]
    fn a_full_buffer_leaves_the_rest_on_the_line() {
        let mut input = Input::new();
        let mut source = Source(vec![b'x'; CAPACITY + 10].into());
        assert_eq!(input.fill(&mut source), Progress::Moved);
        assert_eq!(source.0.len(), 10);
        assert_eq!(input.fill(&mut source), Progress::Idle);
        assert_eq!(drain(&mut input).len(), CAPACITY);
        assert_eq!(input.fill(&mut source), Progress::Moved);
        assert_eq!(drain(&mut input).len(), 10);
    }

    #[test]
    fn ctrl_c_discards_what_came_before_it() {
        let mut input = Input::new();
        assert_eq!(input.fill(&mut Source(b"abc\x03de\x03machine\n".to_vec().into())), Progress::Moved);
        assert_eq!(input.take_signal(), Some((Signal::Interrupt, Lost::WithinLine)));
        assert_eq!(input.take_signal(), Some((Signal::Interrupt, Lost::WithinLine)));
        assert_eq!(input.take_signal(), None);
        assert_eq!(drain(&mut input), b"machine\n");
    }

    #[test]
    fn every_signal_says_what_it_voided() {
        let mut input = Input::new();
        assert_eq!(
            input.fill(&mut Source(b"a\nb\x0e\x03\r\n\x0f\nc\n\x19\x18x".to_vec().into())),
            Progress::Moved
        );
        let signals: Vec<_> = core::iter::from_fn(|| input.take_signal()).collect();
        let expected = [
            (Signal::Away, Lost::WithinLine),
            (Signal::Interrupt, Lost::Nothing),
            (Signal::Back(Lost::Nothing), Lost::Nothing),
            (Signal::Back(Lost::Lines), Lost::Lines),
            (Signal::Back(Lost::WithinLine), Lost::Nothing),
        ];
        assert_eq!(signals, expected);
        assert_eq!(drain(&mut input), b"x");
    }

    #[test]
    fn signals_that_nobody_takes_up_fill_the_buffer_and_no_more() {
        let mut input = Input::new();
        let mut source = Source(vec![control::INTERRUPT; 1000].into());
        assert_eq!(input.fill(&mut source), Progress::Moved);
        assert_eq!(source.0.len(), 1000 - SIGNALS_MAX);
        assert_eq!(input.fill(&mut source), Progress::Idle);
        assert!(input.take_signal().is_some());
        assert_eq!(input.fill(&mut source), Progress::Moved);
    }
}
