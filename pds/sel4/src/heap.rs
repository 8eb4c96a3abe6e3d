//! The heaps of those services that also run as failing ones in tests, so that both have the same. Sizes are bytes, in
//! the allocator's steps of 64 KiB.

/// The volumes and clients of the largest deployment take more than 600 kB.
pub const VAULT: usize = 0x14_0000;
/// The list of time pages takes 3 kB.
pub const CLOCK: usize = 0x1_0000;
/// The surface, the flags, what waits to be recorded and the registry of the largest deployment take 140 kB.
pub const ORCHESTRATOR: usize = 0x5_0000;
/// The verifier and its read buffers take 500 kB, of them 200 kB in one piece.
pub const AUDITOR: usize = 0x10_0000;
/// What waits for the line takes twice the largest answer, its other buffers 100 kB.
pub const CONSOLE: usize = 0x10_0000;
