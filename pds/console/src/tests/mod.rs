//! The console as it is met from outside: bytes in, transcript out.

mod hostile;
mod life;
mod machine;
mod orders;
mod person;
mod shown;
mod skip;
mod strings;
mod takeover;
mod trace;
