//! The heaps of those services that also run as failing ones in tests, so that both have the same. Sizes are bytes, in
//! the allocator's steps of 64 KiB.

use totebox_programs::console::HEAP;

/// The volumes and clients of the largest deployment take more than 600 kB.
pub const VAULT: usize = 0x14_0000;
/// The list of time pages takes 3 kB.
pub const CLOCK: usize = 0x1_0000;
/// The status page, the flags, what waits to be recorded, the registry, the findings of the last audits and the last
/// trace that was asked for of the largest deployment take 275 kB. Of the traces themselves nothing is copied.
pub const ORCHESTRATOR: usize = 0x7_0000;
/// The verifier and its read buffers take 500 kB, of them 200 kB in one piece; what is known of the last audits of the
/// largest deployment takes 100 kB, and the two copies of what it keeps on the disk 200 kB.
pub const AUDITOR: usize = 0x14_0000;
/// Its buffers, and as much again for small values and an allocator that gives large pieces whole steps.
pub const CONSOLE: usize = (2 * HEAP).next_multiple_of(STEP);

const STEP: usize = 0x1_0000;

// The image holds it whole. An answer that makes it larger is to be thought about, not allocated.
const _: () = assert!(CONSOLE <= 0x10_0000, "the console's largest answer is too large for its heap");
