//! What came of a step: whether it did something, and what becomes of the activity it was one of.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// It did, so others may be able to go on now.
    Moved,
    /// There was nothing to do, or no room for it.
    Idle,
}

impl Progress {
    pub fn moved_if(moved: bool) -> Progress {
        if moved { Progress::Moved } else { Progress::Idle }
    }

    /// Takes the next step if this one did nothing.
    pub fn or_else(self, next: impl FnOnce() -> Progress) -> Progress {
        match self {
            Progress::Moved => Progress::Moved,
            Progress::Idle => next(),
        }
    }
}

/// What becomes of an activity that has handled something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Then {
    /// It waits for more.
    GoesOn,
    Ends,
    /// It is over, but its peer may still send the rest of it, which is skipped.
    Skips,
}
