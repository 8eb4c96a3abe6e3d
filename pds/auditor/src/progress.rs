//! How far a volume has been verified.

use ledger_fmt::verify::Point;

/// How far a volume has been verified: what an audit result tells the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Up to where everything was whole when it was last verified.
    pub seen: Point,
    /// Where the next sample of what had come by then begins.
    pub sample: Point,
}

impl Progress {
    pub const NONE: Progress = Progress { seen: Point::START, sample: Point { tree: None, ..Point::START } };
}
