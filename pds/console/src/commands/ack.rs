//! `ack`: acknowledging a flag. The reason is recorded before the flag is closed.

use totebox_protocol::flag::Acknowledged;
use totebox_protocol::operator::Order;

use crate::command::{Action, Command};
use crate::context::Context;
use crate::errors::Error;
use crate::order::{GivenOrder, OrderKind};
use crate::progress::Then;

pub static COMMAND: Command = Command {
    name: ORDER.command,
    arguments: "FLAG REASON",
    summary: "acknowledge a flag; the reason is recorded",
    details: &["The REASON is the rest of the line, at most 120 bytes."],
    read: |reader, words| match words {
        [flag, reason @ ..] => Ok(Action::Order(Order::Acknowledge(reader.tag(flag)?), &ORDER, reason)),
        [] => Err(reader.usage()),
    },
};

pub static ORDER: OrderKind =
    OrderKind { goes_on: "flags will show whether it was recorded", ..OrderKind::new("ack", show) };

/// Ends the wait if the acknowledgement is recorded, or cannot be.
fn show(order: &mut GivenOrder, context: &mut Context) -> Then {
    let machine = context.machine();
    let Context { output, view, .. } = context;
    let (Some(status_page), Order::Acknowledge(flag)) = (view.last(), order.order) else { return Then::GoesOn };
    let known = status_page.flags.iter().find(|known| known.id == flag);
    if known.is_some_and(|known| known.tag != order.name) {
        return Then::GoesOn;
    }
    // Where there are too many flags, acknowledged ones go first.
    match known.map_or(Acknowledged::Yes, |known| known.acknowledged) {
        Acknowledged::Yes if machine => output.line(format_args!("+ack flag={flag}")),
        Acknowledged::Yes => output.line(format_args!("+ack flag {flag} is acknowledged")),
        Acknowledged::Unrecorded => {
            let text = format_args!(
                "flag {flag} is acknowledged, but the audit record takes no records: the reason is recorded when \
                 it does, and lost if the appliance restarts before"
            );
            output.error(Error::Unrecorded, None, text);
        }
        _ => {
            let text = format_args!("flag {flag} stays open: the audit record did not take the reason");
            output.error(Error::NotRecorded, None, text);
        }
    }
    Then::Ends
}
