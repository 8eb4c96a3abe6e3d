//! What the orchestrator commands one archive, on its lifecycle page. Before the first command an archive is what its
//! own ledger says.

use totebox_manifest::conversation::PAGE;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::lifecycle::{Cause, Standing};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Which one it is, counted from 1.
    pub sequence: u64,
    /// What the archive is to be.
    pub target: Standing,
    pub cause: Cause,
}

impl Command {
    pub fn encode(&self) -> CommandPage {
        let &Command { sequence, target, cause } = self;
        CommandPage {
            sequence: sequence.into(),
            target: target.state() as u8,
            cause: cause as u8,
            reserved: [0; 6],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct CommandPage {
    /// [`Command::sequence`].
    pub sequence: U64,
    /// The [`ArchiveState`](crate::lifecycle::ArchiveState) that [`Command::target`] is.
    pub target: u8,
    /// [`Cause`].
    pub cause: u8,
    pub reserved: [u8; 6],
}

const _: () = assert!(size_of::<CommandPage>() + 8 <= PAGE);

impl CommandPage {
    /// The command; `None` if it is none that this version can carry out.
    pub fn decode(&self) -> Option<Command> {
        let (target, cause) = (Standing::from_wire(self.target)?, Cause::from_wire(self.cause)?);
        Some(Command { sequence: self.sequence.get(), target, cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_out_as_they_went_in_and_nothing_else_does() {
        let good = Command { sequence: 7, target: Standing::Active, cause: Cause::Operator }.encode();
        for number in 0..=u8::MAX {
            let (target, cause) = (Standing::from_wire(number), Cause::from_wire(number));
            let command = CommandPage { target: number, ..good }.decode();
            assert_eq!(command.map(|command| command.target), target);
            let read = CommandPage { cause: number, ..good }.decode();
            assert_eq!(read.map(|command| command.cause), cause);
            for command in [command, read].into_iter().flatten() {
                let page = command.encode();
                assert_eq!(CommandPage::read_from_bytes(page.as_bytes()).unwrap().decode(), Some(command));
            }
        }
    }
}
