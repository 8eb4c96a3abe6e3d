//! The activity under way, together with what it may use. Answers of the archives and of the orchestrator are passed
//! to it, and it ends when one of them is lost.

use totebox_protocol::page::ArchiveState;

use totebox_protocol::trace::Event;

use super::activity::Activity;
use super::archives::Sent;
use super::context::Context;
use super::errors::Error;
use super::links::{Message, Misbehaviour};
use super::progress::{Progress, Then};
use super::receipts::{late_answer, tell_fate};
use super::skip::{Place, Skip};
use super::submissions::Fate;

/// The one activity, and what it uses.
pub struct Work {
    pub activity: Activity,
    pub context: Context,
    message: Message,
}

impl Work {
    pub fn new(context: Context) -> Self {
        Work { activity: Activity::Idle, context, message: Message::new() }
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.activity, Activity::Idle)
    }

    /// Ends the activity, or goes on with it.
    pub fn then(&mut self, then: Then) {
        match then {
            Then::GoesOn => {}
            Then::Ends => self.activity = Activity::Idle,
            Then::Skips => self.skip(Place::LineStart, false),
        }
    }

    /// Drops all lines from here on, up to a single `.` or Ctrl-C.
    pub fn skip(&mut self, from: Place, fresh: bool) {
        self.activity = Activity::Skip(Skip::begin(from, fresh, &mut self.context.output));
    }

    /// Ends the activity on the operator's wish.
    pub fn give_up(&mut self) {
        self.activity.give_up(&mut self.context);
        self.activity = Activity::Idle;
    }

    fn follow(&mut self, then: Option<Then>) -> Progress {
        match then {
            None => Progress::Idle,
            Some(then) => {
                self.then(then);
                Progress::Moved
            }
        }
    }

    /// Passes an answer of the orchestrator on, if one is due.
    pub fn take_answer(&mut self) -> Progress {
        let then = self.activity.step(&mut self.context);
        self.follow(then)
    }

    /// Shows what the status page, which is new, says of an order.
    pub fn show(&mut self) {
        let then = self.activity.show(&mut self.context);
        self.then(then);
    }

    /// Ends the wait for what an order leads to, if the orchestrator is lost.
    pub fn abandon_order(&mut self) -> Progress {
        let then = match &self.activity {
            Activity::Order(order) => order.abandon(&mut self.context),
            _ => None,
        };
        self.follow(then)
    }

    pub fn receive(&mut self) -> Progress {
        let now_ms = self.context.view.now_ms();
        let Some((link, received)) = self.context.archives.receive(&mut self.message, now_ms) else {
            return Progress::Idle;
        };
        if let Err(misbehaviour) = received.and_then(|()| self.answer(link)) {
            self.close(link, misbehaviour);
        }
        Progress::Moved
    }

    fn answer(&mut self, link: usize) -> Result<(), Misbehaviour> {
        let tag = self.message.tag;
        if self.activity.awaits() != Some((link, tag)) {
            return late_answer(link, &self.message, &mut self.context);
        }
        let then = self.activity.answer(&self.message, &mut self.context)?;
        self.then(then);
        Ok(())
    }

    /// Sends what waits for room.
    pub fn send(&mut self) -> Progress {
        let now_ms = self.context.view.now_ms();
        match self.context.archives.send(now_ms) {
            Ok(Sent::Nothing) => return Progress::Idle,
            Ok(Sent::Cancellation) => {}
            Ok(Sent::Request(archive, asked)) => {
                if let Some(event) = Event::request(archive as u8, asked) {
                    self.context.tracer.note(event);
                }
                let then = self.activity.sent(asked, &mut self.context);
                self.then(then);
            }
            Err((link, misbehaviour)) => self.close(link, misbehaviour),
        }
        Progress::Moved
    }

    /// The archive broke its protocol: its link is closed for good.
    fn close(&mut self, link: usize, Misbehaviour(how): Misbehaviour) {
        let Context { output, archives, volumes, .. } = &mut self.context;
        archives.close(link);
        let archive = &volumes[link];
        output.line(format_args!("*archive {archive} broke its protocol ({how}); its link is closed"));
        let _ = self.abandon(link, Error::ArchiveBroken);
    }

    /// Ends what waits for an archive that the status page calls stopped.
    pub fn abandon_stopped(&mut self) -> Progress {
        let mut progress = Progress::Idle;
        for link in 0..self.context.archives.len() {
            let state = self.context.view.state(link);
            let is_stopped = matches!(state, Some(ArchiveState::Suspended | ArchiveState::Faulted));
            if is_stopped && !self.context.archives.answer_waits(link) {
                progress = progress.or_else(|| self.abandon(link, Error::NotActive));
            }
        }
        progress
    }

    /// Ends what waits for an archive that has been silent for too long. Call it only when no answer waits to be read.
    pub fn abandon_silent(&mut self) -> Progress {
        let now_ms = self.context.view.now_ms();
        let mut progress = Progress::Idle;
        for link in 0..self.context.archives.len() {
            if self.context.archives.is_overdue(link, now_ms) {
                progress = progress.or_else(|| self.give_up_on(link));
            }
        }
        progress
    }

    fn give_up_on(&mut self, link: usize) -> Progress {
        if let Some((tag, watched)) = self.context.submissions.lose(link, Error::NotAnswering) {
            if self.activity.awaits() == Some((link, tag)) {
                self.activity = Activity::Idle;
            }
            tell_fate(tag, link, Fate::Lost(Error::NotAnswering), watched, &mut self.context);
            return Progress::Moved;
        }
        if self.activity.awaits().is_none_or(|(of, _)| of != link) {
            return Progress::Idle;
        }
        let text = heapless::format!(96; "archive {} has not answered in its time", &self.context.volumes[link]);
        let then = self.activity.overdue(&text.unwrap_or_default(), &mut self.context);
        self.follow(then)
    }

    /// Ends the activity with this archive and every submission that waits for it.
    fn abandon(&mut self, link: usize, error: Error) -> Progress {
        let mut progress = Progress::Idle;
        while let Some((tag, watched)) = self.context.submissions.lose(link, error) {
            tell_fate(tag, link, Fate::Lost(error), watched, &mut self.context);
            progress = Progress::Moved;
        }
        if self.activity.awaits().is_none_or(|(of, _)| of != link) {
            return progress;
        }
        self.context.archives.withdraw();
        let then = self.activity.abandon(error, &mut self.context);
        self.then(then);
        Progress::Moved
    }
}
