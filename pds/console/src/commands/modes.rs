//! `machine` and `person`: who is at the line.

use crate::command::{Action, Command};

pub static MACHINE: Command = Command {
    name: "machine",
    arguments: "[NUMBER]",
    summary: "for programs: no echo, every line ends in its checksum",
    details: &["The answer repeats NUMBER. Ctrl-C comes back from there."],
    read: |reader, words| match *words {
        [] => Ok(Action::Machine { number: 0 }),
        [number] => Ok(Action::Machine { number: reader.number(number)? }),
        _ => Err(reader.usage()),
    },
};

pub static PERSON: Command = Command {
    name: "person",
    arguments: "",
    summary: "for people: this mode",
    details: &[],
    read: |reader, words| match words {
        [] => Ok(Action::Person),
        _ => Err(reader.usage()),
    },
};
