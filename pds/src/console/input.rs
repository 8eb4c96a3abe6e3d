//! What came over the serial line and was not taken up yet. Ctrl-C is seen here, ahead of everything
//! that waits, so that it works whatever the console is waiting for.

use alloc::collections::VecDeque;

use super::data::{LINE_MAX, WINDOW};
use crate::device::Uart;

/// Ctrl-C.
pub const INTERRUPT: u8 = 0x03;

/// Room for a full window of lines and the next: a peer that keeps to its window never has to wait
/// before its Ctrl-C is seen.
const CAPACITY: usize = (WINDOW + 1) * (LINE_MAX + 2);

/// Bytes received.
pub struct Input {
    bytes: VecDeque<u8>,
    interrupted: bool,
}

impl Input {
    /// An empty buffer.
    pub fn new() -> Self {
        Input { bytes: VecDeque::with_capacity(CAPACITY), interrupted: false }
    }

    /// Takes what the line has, as far as there is room; returns whether it had something. Ctrl-C
    /// discards everything before it.
    pub fn fill(&mut self, uart: &mut impl Uart) -> bool {
        let mut moved = false;
        let mut chunk = [0; 256];
        loop {
            let room = chunk.len().min(CAPACITY - self.bytes.len());
            let count = uart.receive(&mut chunk[..room]).min(room);
            if count == 0 {
                return moved;
            }
            moved = true;
            let mut fresh = &chunk[..count];
            if let Some(last) = fresh.iter().rposition(|&byte| byte == INTERRUPT) {
                self.clear();
                self.interrupted = true;
                fresh = &fresh[last + 1..];
            }
            self.bytes.extend(fresh);
        }
    }

    /// Whether Ctrl-C came since the last call.
    pub fn take_interrupt(&mut self) -> bool {
        core::mem::take(&mut self.interrupted)
    }

    /// The next byte.
    pub fn pop(&mut self) -> Option<u8> {
        self.bytes.pop_front()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.clear();
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
    fn a_full_buffer_leaves_the_rest_on_the_line() {
        let mut input = Input::new();
        let mut source = Source(vec![b'x'; CAPACITY + 10].into());
        assert!(input.fill(&mut source));
        assert_eq!(source.0.len(), 10);
        assert!(!input.fill(&mut source));
        assert_eq!(drain(&mut input).len(), CAPACITY);
        assert!(input.fill(&mut source));
        assert_eq!(drain(&mut input).len(), 10);
    }

    #[test]
    fn ctrl_c_discards_what_came_before_it() {
        let mut input = Input::new();
        assert!(input.fill(&mut Source(b"abc\x03de\x03machine\n".to_vec().into())));
        assert!(input.take_interrupt());
        assert!(!input.take_interrupt());
        assert_eq!(drain(&mut input), b"machine\n");
    }
}
