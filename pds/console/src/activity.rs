//! What the console is busy with: each activity owns what it waits for, and here is which of them an event goes to.

use totebox_protocol::intake::Asked;
use totebox_protocol::operator::Order;

use super::commands::fetch::Fetch;
use super::commands::put::Put;
use super::context::Context;
use super::errors::Error;
use super::links::{Message, Misbehaviour};
use super::look::Look;
use super::orchestrator::Answered;
use super::order::GivenOrder;
use super::progress::Then;
use super::skip::Skip;

/// What the console is busy with. While it is, it takes no commands.
pub enum Activity {
    Idle,
    /// The terminal has lost the line; what its next holder begins with is Ctrl-C.
    Away,
    /// Lines are dropped: they belong to what is gone.
    Skip(Skip),
    Put(Put),
    /// An archive sends what it was asked for.
    Fetch(Fetch),
    Order(GivenOrder),
    /// The orchestrator brings its page up to date, so that it can be shown.
    Look(Look),
}

impl Activity {
    /// The archive whose answers it needs to go on, and the tag they carry.
    pub fn awaits(&self) -> Option<(usize, u32)> {
        match self {
            Activity::Put(put) => Some(put.awaits()),
            Activity::Fetch(fetch) => Some(fetch.awaits()),
            Activity::Idle | Activity::Away | Activity::Skip(_) | Activity::Order(_) | Activity::Look(_) => None,
        }
    }

    pub fn order(&self) -> Option<&GivenOrder> {
        match self {
            Activity::Order(order) => Some(order),
            _ => None,
        }
    }

    /// Whether the next line can be handled now.
    pub fn takes_lines(&self, context: &Context) -> bool {
        match self {
            Activity::Idle | Activity::Away | Activity::Skip(_) => true,
            Activity::Put(put) => put.takes_lines() && !context.archives.request_waits(),
            Activity::Fetch(_) | Activity::Order(_) | Activity::Look(_) => false,
        }
    }

    pub fn answered(&mut self, answered: &Answered) {
        match self {
            Activity::Order(order) => order.answered(answered),
            Activity::Look(look) => look.answered(answered),
            _ => {}
        }
    }

    /// Passes the orchestrator's answer on, if one is due.
    pub fn step(&mut self, context: &mut Context) -> Option<Then> {
        match self {
            Activity::Order(order) => order.step(context),
            Activity::Look(look) => look.step(context),
            _ => None,
        }
    }

    /// Shows what the status page, which is new, says of it.
    pub fn show(&mut self, context: &mut Context) -> Then {
        match self {
            Activity::Order(order) => order.show(context),
            _ => Then::GoesOn,
        }
    }

    pub fn answer(&mut self, message: &Message, context: &mut Context) -> Result<Then, Misbehaviour> {
        match self {
            Activity::Put(put) => put.answer(message, context),
            Activity::Fetch(fetch) => fetch.answer(message, context),
            _ => Ok(Then::GoesOn),
        }
    }

    /// Goes on after a request was sent.
    pub fn sent(&mut self, asked: Asked, context: &mut Context) -> Then {
        match self {
            Activity::Put(put) => put.sent(asked, context),
            _ => Then::GoesOn,
        }
    }

    /// The input has ended, and everything before it was attended to.
    pub fn input_ended(&self, context: &mut Context) -> Then {
        match self {
            Activity::Put(put) => put.input_ended(context),
            _ => Then::GoesOn,
        }
    }

    /// The operator gives it up, or no longer waits for it.
    pub fn give_up(&self, context: &mut Context) {
        match self {
            Activity::Idle | Activity::Away => {}
            Activity::Skip(skip) => skip.give_up(&mut context.output),
            Activity::Put(put) => put.give_up(context),
            Activity::Fetch(fetch) => fetch.give_up(context),
            Activity::Order(order) => order.give_up(context),
            Activity::Look(look) => look.give_up(context),
        }
    }

    /// The archive it awaits has neither taken nor sent anything for long. `None` if it goes on waiting.
    pub fn overdue(&self, text: &str, context: &mut Context) -> Option<Then> {
        match self {
            Activity::Put(put) => put.overdue(text, context),
            Activity::Fetch(fetch) => fetch.overdue(text, context),
            _ => None,
        }
    }

    /// The archive it awaits will not answer any more.
    pub fn abandon(&self, error: Error, context: &mut Context) -> Then {
        match self {
            Activity::Put(put) => put.abandon(error, context),
            Activity::Fetch(fetch) => fetch.abandon(error, context),
            _ => Then::GoesOn,
        }
    }

    /// What a person must be told the end of, if they are cut off now. A submission is told of by its tag instead.
    pub fn left(&self, context: &Context) -> Option<Left> {
        match self {
            Activity::Idle | Activity::Away | Activity::Skip(_) | Activity::Put(_) => None,
            Activity::Order(order) => Some(Left::Order(*order)),
            Activity::Look(look) => Some(Left::Reading { command: look.command(), archive: None }),
            Activity::Fetch(fetch) => {
                let (command, (archive, _)) = (fetch.command(), fetch.awaits());
                Some(match fetch.only_reads() {
                    true => Left::Reading { command, archive: Some(archive) },
                    false => Left::Signature { archive, sent: !context.archives.request_waits() },
                })
            }
        }
    }
}

/// A command that was under way when another took the line from the person who gave it.
#[derive(Clone, Copy, Debug)]
pub enum Left {
    Order(GivenOrder),
    /// An archive was asked for a checkpoint, or was about to be.
    Signature {
        archive: usize,
        sent: bool,
    },
    /// Something was being read of this archive, or of the appliance.
    Reading {
        command: &'static str,
        archive: Option<usize>,
    },
}

impl Left {
    pub fn answered(&mut self, answered: &Answered) {
        if let Left::Order(order) = self {
            order.answered(answered);
        }
    }

    /// Says what became of it, each line as an event.
    pub fn tell(self, context: &mut Context) {
        let (command, volume) = match self {
            Left::Order(order) => (order.kind.command, order.order.volume()),
            Left::Signature { archive, .. } => ("sign", Some(archive)),
            Left::Reading { command, archive } => (command, archive),
        };
        let Context { output, volumes, .. } = context;
        let head = format_args!("*another had the line; this became of {command}");
        match (self, volume) {
            (_, Some(volume)) => output.line(format_args!("{head} {}:", &volumes[volume])),
            (Left::Order(GivenOrder { order: Order::Acknowledge(flag), .. }), _) => {
                output.line(format_args!("{head} {flag}:"));
            }
            _ => output.line(format_args!("{head}:")),
        }
        output.set_events(true);
        context.view.refresh();
        match self {
            Left::Order(order) if !order.order.is_a_question() => order.tell_later(context),
            Left::Order(_) | Left::Reading { .. } => {
                let text = "its answer was cut off; ask again";
                context.output.error(Error::Cancelled, None, format_args!("{text}"));
            }
            Left::Signature { sent, .. } => {
                let text =
                    if sent { "it may still be carried out; ls shows the checkpoint" } else { "not carried out" };
                context.output.error(Error::Cancelled, None, format_args!("{text}"));
            }
        }
        context.output.set_events(false);
    }
}
