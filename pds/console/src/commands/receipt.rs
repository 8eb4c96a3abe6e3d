//! `receipt`: asking again what became of a submission.

use crate::command::{Action, Command};
use crate::context::Context;
use crate::errors::Error;
use crate::receipts::tell_fate;

pub static COMMAND: Command = Command {
    name: "receipt",
    arguments: "TAG",
    summary: "what became of a submission",
    details: &["The last 64 submissions since the start are known."],
    read: |reader, words| match *words {
        [tag] => Ok(Action::Receipt { tag: reader.tag(tag)? }),
        _ => Err(reader.usage()),
    },
};

/// Says what became of the submission with this tag.
pub fn show(tag: u32, context: &mut Context) {
    match context.submissions.get(tag) {
        Some(&mut entry) => tell_fate(tag, entry.link, entry.fate, true, context),
        None => {
            let text = "no submission with that number is known; ls shows what is committed";
            context.output.error(Error::NotFound, None, format_args!("{text}"));
        }
    }
}
