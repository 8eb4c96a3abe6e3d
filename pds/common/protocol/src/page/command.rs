//! What the orchestrator commands one archive, on its lifecycle page. Before the first command an archive is what its
//! own ledger says.

use totebox_manifest::conversation::PAGE;

use crate::lifecycle::{Cause, Standing};
use crate::row::row;

row! {
    Command as CommandPage {
        /// Which one it is, counted from 1.
        sequence: u64,
        target: Standing,
        cause: Cause,
    }
}

const _: () = assert!(size_of::<CommandPage>() + 8 <= PAGE);

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromBytes, IntoBytes};

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
