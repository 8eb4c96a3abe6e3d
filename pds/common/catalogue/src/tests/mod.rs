//! Blocks and manifests: what is written is read back, and what somebody with the key wrote does no harm.

mod blocks;
mod hostile;
