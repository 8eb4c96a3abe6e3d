//! Whose turn it is: one holds the line, others wait. A holder that moves next to nothing while another waits gives way,
//! to whoever has waited longest; while nobody waits it may keep silent for as long as it likes. One that is at work
//! keeps the line for as long as that takes: a document that is cut off is sent again from its beginning, so that a bound
//! on that would keep a large one out for ever.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes a client has to move in the time it may be silent, or it is not at work: fewer than a line of 1200 baud moves in
/// 5 s, and more than come of a byte now and then.
pub const MOVED_MIN: usize = 512;

/// Who has the line, and who waits for it. The operator at the terminal is one of them; `C` is a client.
#[derive(Debug)]
pub struct Turns<C> {
    timeout: Duration,
    /// `None`: the operator.
    holder: Option<C>,
    /// When the holder last moved something. `None`: the operator has typed nothing since the line came back.
    moved: Option<Instant>,
    /// Bytes a client has moved since, too few to count.
    too_few: usize,
    /// In the order they came, and since when.
    waiting: VecDeque<(C, Instant)>,
    /// Since when the operator types without having the line.
    operator_waits: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Operator,
    Client,
}

impl<C> Turns<C> {
    /// The operator has the line; a holder may move nothing for `timeout` while another waits.
    pub fn new(timeout: Duration) -> Turns<C> {
        Turns { timeout, holder: None, moved: None, too_few: 0, waiting: VecDeque::new(), operator_waits: None }
    }

    /// The client that has the line, if one has.
    pub fn holder(&self) -> Option<&C> {
        self.holder.as_ref()
    }

    /// The same, to change it.
    pub fn holder_mut(&mut self) -> Option<&mut C> {
        self.holder.as_mut()
    }

    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &C> {
        self.waiting.iter().map(|(client, _)| client)
    }

    /// The operator has typed something.
    pub fn typed(&mut self, now: Instant) {
        self.moved = Some(now);
    }

    /// The client that has the line moved bytes.
    pub fn moved(&mut self, bytes: usize, now: Instant) {
        self.too_few += bytes;
        if self.too_few >= MOVED_MIN {
            (self.moved, self.too_few) = (Some(now), 0);
        }
    }

    pub fn queue(&mut self, client: C, now: Instant) {
        self.waiting.push_back((client, now));
    }

    /// The operator waits, from now on at the latest.
    pub fn queue_operator(&mut self, now: Instant) {
        self.operator_waits.get_or_insert(now);
    }

    /// The operator has the line, and nothing to do with it.
    pub fn rest(&mut self) {
        self.moved = None;
    }

    /// Clients that waited have gone.
    pub fn forget(&mut self, gone: impl Fn(&C) -> bool) {
        self.waiting.retain(|(client, _)| !gone(client));
    }

    pub fn longest_waiting(&self) -> Option<Next> {
        match (self.operator_waits, self.waiting.front()) {
            (Some(operator), Some((_, client))) if *client < operator => Some(Next::Client),
            (Some(_), _) => Some(Next::Operator),
            (None, Some(_)) => Some(Next::Client),
            (None, None) => None,
        }
    }

    /// From when on the holder has to give way; `None` while nobody waits.
    pub fn due(&self) -> Option<Instant> {
        let first = self.first_waiting()?;
        match self.moved {
            Some(moved) => moved.checked_add(self.timeout),
            None => Some(first),
        }
    }

    /// Since when somebody waits.
    fn first_waiting(&self) -> Option<Instant> {
        self.operator_waits.into_iter().chain(self.waiting.front().map(|(_, since)| *since)).min()
    }

    /// Hands the line over; returns the client that had it, if one had.
    pub fn pass(&mut self, next: Next, now: Instant) -> Option<C> {
        let client = match next {
            Next::Client => self.waiting.pop_front().map(|(client, _)| client),
            Next::Operator => None,
        };
        (self.moved, self.too_few) = (client.is_some().then_some(now), 0);
        if client.is_none() {
            self.operator_waits = None;
        }
        std::mem::replace(&mut self.holder, client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    #[test]
    fn who_waits_longest_comes_next() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut turns = Turns::new(TIMEOUT);
        assert_eq!((turns.due(), turns.longest_waiting()), (None, None));
        // An operator who does nothing is not waited for.
        turns.queue('a', at(1));
        assert_eq!(turns.due(), Some(at(1)));
        assert_eq!(turns.pass(Next::Client, at(1)), None);
        assert_eq!((turns.holder(), turns.due()), (Some(&'a'), None));
        turns.queue('b', at(2));
        turns.queue_operator(at(3));
        turns.queue('c', at(4));
        turns.queue_operator(at(9));
        let mut seen = vec![];
        while let Some(next) = turns.longest_waiting() {
            seen.push((next, turns.pass(next, at(10)), turns.holder().copied()));
        }
        let expected = [
            (Next::Client, Some('a'), Some('b')),
            (Next::Operator, Some('b'), None),
            (Next::Client, None, Some('c')),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_holder_that_moves_keeps_the_line_and_one_that_does_not_only_while_nobody_waits() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut turns = Turns::new(TIMEOUT);
        turns.queue('a', at(0));
        turns.pass(Next::Client, at(0));
        assert_eq!(turns.due(), None);
        turns.queue('b', at(100));
        assert_eq!(turns.due(), Some(at(5)), "it has been silent for long enough already");
        turns.moved(MOVED_MIN, at(101));
        assert_eq!(turns.due(), Some(at(106)));
        turns.moved(MOVED_MIN, at(105));
        assert_eq!(turns.due(), Some(at(110)));
        turns.forget(|client| *client == 'b');
        assert_eq!(turns.due(), None, "who waited has gone");
        // The operator at work keeps the line as a client does.
        turns.pass(Next::Operator, at(120));
        turns.typed(at(121));
        turns.queue('c', at(122));
        assert_eq!(turns.due(), Some(at(126)));
    }

    #[test]
    fn a_byte_a_second_does_not_keep_the_line() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut turns = Turns::new(TIMEOUT);
        turns.queue('a', at(0));
        turns.pass(Next::Client, at(0));
        turns.queue('b', at(0));
        for second in 1..5 {
            turns.moved(1, at(second));
        }
        assert_eq!(turns.due(), Some(at(5)));
        // What was too little for one is not the next one's.
        turns.pass(Next::Client, at(5));
        turns.queue('a', at(5));
        turns.moved(MOVED_MIN - 1, at(6));
        assert_eq!(turns.due(), Some(at(10)));
        turns.moved(1, at(7));
        assert_eq!(turns.due(), Some(at(12)));
    }
}
