//! How a long transfer goes, for whoever shows it.

/// Is told how a long transfer goes.
pub trait Progress {
    /// A file begins: what is done to it, and its size in bytes.
    fn begin(&mut self, label: &str, size: u64);
    /// Bytes done so far.
    fn at(&mut self, position: u64);
    /// The file is done with.
    fn end(&mut self);
}
