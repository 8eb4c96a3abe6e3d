//! Devices a hosted domain drives. Each has a descriptor that becomes readable for what would be an
//! interrupt on a board, and stays readable until the domain has attended to it.

mod disk;
mod ticker;
mod uart;

pub use disk::FileDisk;
pub use ticker::SystemTicker;
pub use uart::SocketUart;
