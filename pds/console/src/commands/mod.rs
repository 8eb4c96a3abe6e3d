//! The table of commands: a file for each, or for some that belong together, with its row and with what it does.

pub mod ack;
pub mod audit;
pub mod fetch;
pub mod findings;
pub mod flags;
pub mod history;
pub mod lifecycle;
pub mod modes;
pub mod put;
pub mod receipt;
pub mod status;
pub mod trace;

use core::fmt::Arguments;

use totebox_console_protocol::words::Quoted;

use crate::command::{Action, Command, LEAVING, ParseError, Reader};
use crate::context::Context;
use crate::volumes::Volumes;

/// Every command, in the order `help` shows them.
pub static COMMANDS: &[&Command] = &[
    &HELP,
    &status::COMMAND,
    &flags::COMMAND,
    &ack::COMMAND,
    &history::COMMAND,
    &trace::COMMAND,
    &lifecycle::SUSPEND,
    &lifecycle::RESUME,
    &lifecycle::ARCHIVE,
    &fetch::SIGN,
    &fetch::LS,
    &put::COMMAND,
    &fetch::GET,
    &receipt::COMMAND,
    &audit::COMMAND,
    &modes::MACHINE,
    &modes::PERSON,
];

static HELP: Command = Command {
    name: "help",
    arguments: "[COMMAND]",
    summary: "what there is, or more about one command",
    details: &[],
    read: |reader, words| match *words {
        [] => Ok(Action::Help(None)),
        [name] => Ok(Action::Help(Some(find(name)?))),
        _ => Err(reader.usage()),
    },
};

fn find(name: &str) -> Result<&'static Command, ParseError<'_>> {
    let known = if name == "verify" { audit::COMMAND.name } else { name };
    COMMANDS.iter().find(|command| command.name == known).copied().ok_or(ParseError::UnknownCommand(name))
}

pub fn parse<'a>(words: &'a [&'a str], volumes: &Volumes) -> Result<Action<'a>, ParseError<'a>> {
    let (&name, arguments) = words.split_first().ok_or(ParseError::UnknownCommand(""))?;
    let command = find(name)?;
    (command.read)(&Reader { command, volumes }, arguments)
}

pub fn help(context: &mut Context) {
    let machine = context.machine();
    let output = &mut context.output;
    for Command { name, arguments, summary, .. } in COMMANDS {
        if machine {
            let arguments = Quoted(arguments.as_bytes());
            output.line(format_args!("=command name={name} arguments={arguments} summary=\"{summary}\""));
        } else {
            let usage: heapless::String<48> = heapless::format!("{name} {arguments}").unwrap_or_default();
            output.line(format_args!("  {usage:<34} {summary}"));
        }
    }
    match machine {
        true => output.line(format_args!("+help COMMAND says more about one")),
        false => output.line(format_args!("+help COMMAND says more about one; {LEAVING}")),
    }
}

pub fn help_for(command: &Command, context: &mut Context) {
    let Command { name, arguments, summary, details, .. } = command;
    let machine = context.machine();
    let output = &mut context.output;
    let mut say = |text: Arguments| match machine {
        true => {
            let text: heapless::String<256> = heapless::format!("{text}").unwrap_or_default();
            output.line(format_args!("=help text={}", Quoted(text.as_bytes())));
        }
        false => output.line(format_args!("  {text}")),
    };
    say(format_args!("{name} {arguments}: {summary}"));
    details.iter().for_each(|detail| say(format_args!("{detail}")));
    output.line(format_args!("+help"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use totebox_manifest::Role;
    use totebox_protocol::lifecycle::Standing;
    use totebox_protocol::operator::{Order, Traced};

    fn volumes() -> Volumes {
        Volumes::named(&["contracts", "finance", "audit"])
    }

    #[test]
    fn every_command_is_read() {
        let hash = "ab".repeat(32);
        let change = |archive, to, kind| Action::Order(Order::Change(archive, to), kind, &[]);
        let put = |size, hash| Action::Put { archive: 1, name: "a b", size, hash };
        let cases: &[(&[&str], Action)] = &[
            (&["help"], Action::Help(None)),
            (&["help", "flags"], Action::Help(Some(COMMANDS[2]))),
            (&["status"], Action::Look(&status::LOOK)),
            (&["flags"], Action::Look(&flags::LOOK)),
            (&["flags", "finance"], Action::Order(Order::Findings(1), &findings::ORDER, &[])),
            (&["flags", "audit"], Action::Order(Order::Findings(2), &findings::ORDER, &[])),
            (&["ack", "7"], Action::Order(Order::Acknowledge(7), &ack::ORDER, &[])),
            (&["ack", "7", "a", "b c"], Action::Order(Order::Acknowledge(7), &ack::ORDER, &["a", "b c"])),
            (&["history"], Action::Order(Order::History(None), &history::ORDER, &[])),
            (&["history", "9"], Action::Order(Order::History(Some(9)), &history::ORDER, &[])),
            (&["trace", "finance"], Action::Order(Order::Trace(Traced::Archive(1)), &trace::ORDER, &[])),
            (&["trace", "vault"], Action::Order(Order::Trace(Traced::Service(Role::Vault)), &trace::ORDER, &[])),
            (&["suspend", "finance"], change(1, Standing::Suspended, &lifecycle::SUSPENSION)),
            (&["resume", "contracts"], change(0, Standing::Active, &lifecycle::RESUMPTION)),
            (&["archive", "finance", "final"], change(1, Standing::Archived, &lifecycle::CLOSURE)),
            (&["sign", "finance"], Action::Sign { archive: 1 }),
            (&["ls", "finance"], Action::List { archive: 1, from: 0, count: u64::MAX }),
            (&["ls", "contracts", "3", "4"], Action::List { archive: 0, from: 3, count: 4 }),
            (&["put", "finance", "a b"], put(None, None)),
            (&["put", "finance", "a b", "0"], put(Some(0), None)),
            (&["put", "finance", "a b", "12", &hash], put(Some(12), Some([0xab; 32]))),
            (&["get", "contracts", "7"], Action::Get { archive: 0, sequence: 7, offset: 0 }),
            (&["get", "contracts", "7", "9"], Action::Get { archive: 0, sequence: 7, offset: 9 }),
            (&["receipt", "5"], Action::Receipt { tag: 5 }),
            (&["audit"], Action::Order(Order::Verify(None), &audit::ORDER, &[])),
            (&["audit", "audit"], Action::Order(Order::Verify(Some(2)), &audit::ORDER, &[])),
            (&["verify", "finance"], Action::Order(Order::Verify(Some(1)), &audit::ORDER, &[])),
            (&["machine"], Action::Machine { number: 0 }),
            (&["machine", "77"], Action::Machine { number: 77 }),
            (&["person"], Action::Person),
        ];
        for (words, action) in cases {
            assert_eq!(parse(words, &volumes()), Ok(*action), "{words:?}");
        }
        for command in COMMANDS {
            assert!(cases.iter().any(|(words, _)| words[0] == command.name), "{} is not tried here", command.name);
        }
    }

    #[test]
    fn every_mistake_is_named() {
        let long = "n".repeat(1025);
        let cases: &[(&[&str], &str)] = &[
            (&[""], "unknown-command no command \"\"; type help"),
            (
                &["quit"],
                "unknown-command no command \"quit\"; the key Ctrl-] leaves totebox run, and stops the appliance",
            ),
            (&["halp"], "unknown-command no command \"halp\"; type help"),
            (&["help", "x"], "unknown-command no command \"x\"; type help"),
            (&["ls", "audit"], "unknown-archive audit is the audit record, and no archive; history shows it"),
            (&["ls"], "bad-argument usage: ls ARCHIVE [FROM [COUNT]]"),
            (&["status", "x"], "bad-argument usage: status "),
            (&["ls", "finance", "-1"], "bad-argument not a decimal number: \"-1\""),
            (
                &["put", "finance", "x", "+1"],
                "bad-argument not a size in bytes: \"+1\"; a name with blanks stands in quotes",
            ),
            (
                &["put", "finance", "x", "18446744073709551615"],
                "bad-argument not a size in bytes: \"18446744073709551615\"; a name with blanks stands in quotes",
            ),
            (
                &["put", "finance", "x", "1", "ff"],
                "bad-argument not a BLAKE3 hash of 64 hexadecimal digits: \"ff\"",
            ),
            (&["put", "finance", &long], "bad-name a name has at most 1024 bytes"),
            (&["suspend", "audit"], "unknown-archive audit is the audit record, and no archive; history shows it"),
            (&["archive", "nowhere"], "unknown-archive no archive \"nowhere\"; status shows them"),
            (
                &["archive", "finance"],
                "bad-argument nothing can be added to finance once it is archived; if you mean it: archive finance \
                 final",
            ),
            (&["archive", "finance", "really"], "bad-argument usage: archive ARCHIVE final"),
            (&["ack"], "bad-argument usage: ack FLAG REASON"),
            (&["ack", "asset"], "bad-argument not a decimal number: \"asset\""),
            (&["history", "1", "2"], "bad-argument usage: history [FROM]"),
            (&["trace"], "bad-argument usage: trace DOMAIN"),
            (&["trace", "audit"], "unknown-archive audit is the audit record, and no archive; history shows it"),
            (&["flags", "nowhere"], "unknown-archive no archive \"nowhere\"; status shows them"),
            (&["flags", "finance", "1"], "bad-argument usage: flags [VOLUME]"),
            (&["receipt", "4294967296"], "bad-argument not a decimal number: \"4294967296\""),
        ];
        for (words, message) in cases {
            let error = parse(words, &volumes()).expect_err(message);
            assert_eq!(format!("{} {error}", error.error().name()), *message);
        }
    }
}
