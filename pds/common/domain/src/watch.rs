//! Whether another domain lives: it owes a sign of life, and the CPU's own counter says for how long. Every
//! domain can read that counter by itself, so that a clock that stands still does not make everybody look alive.
//!
//! A watch has to be looked at when something happens. What wakes its owner if the clock does not is told in
//! `docs/architecture.md`, "Life".

/// Milliseconds after a missed sign of life when a domain counts as silent: far more than any waits for its turn.
pub const SILENT_MS: u64 = 15_000;

/// Milliseconds between two signs of life asked of a domain.
pub const BEAT_MS: u64 = 1_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// When it became due, by the counter.
    due_since_ms: Option<u64>,
}

impl Watch {
    /// A sign of life is due from now on, unless one is due already.
    pub fn expect(&mut self, now_ms: u64) {
        self.due_since_ms.get_or_insert(now_ms);
    }

    /// It came; the next is due once it is expected.
    pub fn lives(&mut self) {
        self.due_since_ms = None;
    }

    /// Milliseconds it has been due.
    pub fn overdue_ms(&self, now_ms: u64) -> u64 {
        self.due_since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms))
    }

    pub fn is_silent(&self, now_ms: u64) -> bool {
        self.overdue_ms(now_ms) >= SILENT_MS
    }
}

/// The clock's: every tick is one, and makes the next one due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockWatch {
    ticks: u64,
    watch: Watch,
}

impl ClockWatch {
    /// The clock's page says that it has ticked so often.
    pub fn ticked(&mut self, ticks: u64, now_ms: u64) {
        if core::mem::replace(&mut self.ticks, ticks) != ticks {
            self.watch.lives();
        }
        self.watch.expect(now_ms);
    }

    /// Nothing sensible is on the clock's page.
    pub fn nothing(&mut self, now_ms: u64) {
        self.watch.expect(now_ms);
    }

    /// Milliseconds since the last tick that was seen.
    pub fn overdue_ms(&self, now_ms: u64) -> u64 {
        self.watch.overdue_ms(now_ms)
    }

    pub fn is_silent(&self, now_ms: u64) -> bool {
        self.watch.is_silent(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_when_the_first_sign_of_life_was_due() {
        let mut watch = Watch::default();
        assert!(!watch.is_silent(u64::MAX), "nothing is due");
        watch.expect(100);
        watch.expect(100 + SILENT_MS - 1);
        assert!(!watch.is_silent(100 + SILENT_MS - 1));
        assert!(watch.is_silent(100 + SILENT_MS));
        assert_eq!(watch.overdue_ms(350), 250);
        watch.lives();
        assert!(!watch.is_silent(u64::MAX));
        watch.expect(5);
        assert_eq!(watch.overdue_ms(4), 0, "a counter that went back is no silence");
    }

    #[test]
    fn a_clock_is_silent_when_its_ticks_stand_still_however_often_that_is_looked_at() {
        let mut clock = ClockWatch::default();
        clock.nothing(0);
        assert!(clock.is_silent(SILENT_MS), "one that never ticked, too");
        clock.ticked(1, SILENT_MS);
        assert!(!clock.is_silent(2 * SILENT_MS - 1));
        for now_ms in SILENT_MS..2 * SILENT_MS {
            clock.ticked(1, now_ms);
        }
        assert!(clock.is_silent(2 * SILENT_MS));
        clock.ticked(2, 2 * SILENT_MS);
        assert!(!clock.is_silent(2 * SILENT_MS));
    }
}
