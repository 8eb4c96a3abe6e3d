//! Looking at the status page: the orchestrator brings it up to date first.

use totebox_protocol::operator::Order;

use super::context::Context;
use super::errors::Error;
use super::orchestrator::Answered;
use super::progress::Then;

/// What is shown of the page once it is up to date.
#[derive(Debug)]
pub struct LookKind {
    pub command: &'static str,
    pub show: fn(&mut Context),
}

impl PartialEq for LookKind {
    fn eq(&self, other: &LookKind) -> bool {
        self.command == other.command
    }
}

impl Eq for LookKind {}

/// The orchestrator is to bring the page up to date, so that it can be shown.
pub struct Look {
    kind: &'static LookKind,
    tag: u32,
    answered: bool,
}

impl Look {
    /// Has the page brought up to date. Where the orchestrator cannot be asked, shows what there is.
    pub fn begin(kind: &'static LookKind, context: &mut Context) -> Option<Look> {
        let tag = context.view.send(Order::Ping, "");
        if tag.is_none() {
            (kind.show)(context);
        }
        Some(Look { kind, tag: tag?, answered: false })
    }

    pub fn command(&self) -> &'static str {
        self.kind.command
    }

    pub fn answered(&mut self, answered: &Answered) {
        self.answered |= answered.tag == self.tag;
    }

    /// Shows what was asked for, if the page is up to date or never will be.
    pub fn step(&mut self, context: &mut Context) -> Option<Then> {
        let can_show = self.answered || context.view.is_orchestrator_lost();
        can_show.then(|| {
            (self.kind.show)(context);
            Then::Ends
        })
    }

    pub fn give_up(&self, context: &mut Context) {
        context.output.error(Error::Cancelled, None, format_args!("stopped"));
    }
}

/// Reads the page anew. Says so if there is none yet.
pub fn refresh(context: &mut Context) -> bool {
    let Context { output, view, .. } = context;
    if view.refresh().is_none() {
        let (error, text) = match view.is_orchestrator_lost() {
            true => (Error::NotAnswering, "the orchestrator has published nothing and does not answer"),
            false => (Error::Unavailable, "the orchestrator has published nothing yet; try again in a moment"),
        };
        output.error(error, None, format_args!("{text}"));
        return false;
    }
    // What is new in it is told as well.
    view.expire();
    true
}
