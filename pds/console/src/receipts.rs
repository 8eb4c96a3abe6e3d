//! What became of submissions: an archive's last word on one, and how it is passed on.

use totebox_console_protocol::text::{Hex, Time};
use totebox_protocol::intake::{Answer, Failure};

use super::context::Context;
use super::errors::{Error, Refused};
use super::links::{Message, Misbehaviour};
use super::submissions::{Fate, Receipt};

/// The reason an archive gives for a failure.
pub fn failure(message: &Message) -> Result<Failure, Misbehaviour> {
    Failure::from_wire(message.header.code).ok_or(Misbehaviour("an unknown reason for a failure"))
}

/// An answer to something the console is no longer busy with: a receipt, or the rest of what was given up, which
/// nobody wants any more.
pub fn late_answer(link: usize, message: &Message, context: &mut Context) -> Result<(), Misbehaviour> {
    let tag = message.header.tag.get();
    if !context.archives.has_given(tag) {
        return Err(Misbehaviour("an answer to nothing that was asked"));
    }
    let Some(entry) = context.submissions.get(tag) else { return Ok(()) };
    if entry.link != link {
        return Err(Misbehaviour("an answer to what another archive was asked"));
    }
    if !matches!(entry.fate, Fate::Pending | Fate::Lost(_)) {
        return Ok(());
    }
    let watched = entry.watched && entry.fate == Fate::Pending;
    end_submission(link, message, watched, context)
}

/// The archive's last word on a submission all of which it was sent.
pub fn end_submission(
    link: usize,
    message: &Message,
    watched: bool,
    context: &mut Context,
) -> Result<(), Misbehaviour> {
    let header = &message.header;
    let fate = match message.answer {
        Answer::Receipt => Fate::Committed(Receipt {
            sequence: header.value.get(),
            size: header.extra.get(),
            hash: header.hash,
            record: message.data().try_into().map_err(|_| Misbehaviour("a receipt without a record's hash"))?,
            time_ms: header.time_ms.get(),
        }),
        Answer::Failed => Fate::Refused(failure(message)?, header.value.get()),
        _ => return Err(Misbehaviour("an answer that does not end a submission")),
    };
    context.submissions.set(header.tag.get(), fate);
    tell_fate(header.tag.get(), link, fate, watched, context);
    Ok(())
}

/// Says what became of a submission: as an answer, or as an event if its sender is gone.
pub fn tell_fate(tag: u32, link: usize, fate: Fate, watched: bool, context: &mut Context) {
    let machine = context.machine();
    let Context { output, volumes, .. } = context;
    let archive = &volumes[link];
    let event = if watched { "" } else { "*" };
    match fate {
        Fate::Open | Fate::Pending => output.line(format_args!("{event}+pending {tag}")),
        Fate::Committed(Receipt { sequence, size, hash, record, time_ms }) => {
            let (hash, record) = (Hex(&hash), Hex(&record));
            let line =
                format_args!("{event}+receipt {tag} seq={sequence} size={size} hash={hash} record={record}");
            match machine {
                true => output.line(format_args!("{line} time={time_ms}")),
                false => output.line(format_args!("{line} time=\"{}\"", Time(time_ms))),
            }
        }
        Fate::Refused(failure, value) => {
            let refused = Refused { archive, failure, value };
            output.submission_error(watched, refused.error(), tag, format_args!("{refused}"));
        }
        Fate::Lost(error) => {
            let why = match error {
                Error::NotAnswering => "has not answered in its time",
                _ => "was lost before it answered",
            };
            let text = format_args!("archive {archive} {why}; whether this was committed shows in: ls {archive}");
            output.submission_error(watched, error, tag, text);
        }
    }
}
