//! What became of submissions: an archive's last word on one, and how it is passed on.

use totebox_console_protocol::text::{Hex, Time};
use totebox_protocol::intake::{Answered, Stored};

use super::context::Context;
use super::errors::{Error, Refused};
use super::links::{Message, Misbehaviour};
use super::submissions::{Fate, Receipt};

/// An answer the console no longer waits for: a receipt, or the unwanted rest of what was given up.
pub fn late_answer(link: usize, message: &Message, context: &mut Context) -> Result<(), Misbehaviour> {
    let tag = message.tag;
    if !context.archives.has_given(tag) {
        return Err(Misbehaviour("an answer to no request"));
    }
    let Some(entry) = context.submissions.get(tag) else { return Ok(()) };
    if entry.link != link {
        return Err(Misbehaviour("an answer to a request to another archive"));
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
    let fate = match message.answer {
        Answered::Receipt(stored) => {
            let record = message.data().try_into();
            Fate::Committed(Receipt {
                stored,
                record: record.map_err(|_| Misbehaviour("a receipt without a record's hash"))?,
            })
        }
        Answered::Failed(refusal) => Fate::Refused(refusal),
        _ => return Err(Misbehaviour("an answer that does not end a submission")),
    };
    context.submissions.set(message.tag, fate);
    tell_fate(message.tag, link, fate, watched, context);
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
        Fate::Committed(Receipt { stored: Stored { sequence, size, hash, time_ms }, record }) => {
            let (hash, record) = (Hex(&hash), Hex(&record));
            let line =
                format_args!("{event}+receipt {tag} seq={sequence} size={size} hash={hash} record={record}");
            match machine {
                true => output.line(format_args!("{line} time={time_ms}")),
                false => output.line(format_args!("{line} time=\"{}\"", Time(time_ms))),
            }
        }
        Fate::Refused(refusal) => {
            let refused = Refused { archive, refusal };
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
