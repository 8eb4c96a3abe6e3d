//! The console as it is met from outside: bytes in, transcript out.

mod bench;
mod hostile;
mod machine;
mod person;
