//! A session at the line: what comes in is a signal, the line of a command, or belongs to what is under way.

use alloc::vec;
use alloc::vec::Vec;

use totebox_console_protocol::data::{self, Damage, LINE_MAX, PROTOCOL};
use totebox_console_protocol::words::split;
use totebox_domain::device::Uart;
use totebox_domain::{Channel, Kernel, SetupError};
use totebox_link::Tracer;
use totebox_manifest::Manifest;
use totebox_protocol::trace::Event;
use totebox_shm::Mapped;

use super::activity::Activity;
use super::archives::Archives;
use super::command::{Action, ParseError};
use super::commands::fetch::Fetch;
use super::commands::put::Put;
use super::commands::{help, help_for, parse, receipt};
use super::context::Context;
use super::errors::Error;
use super::holder::{Cut, Holders};
use super::input::{Interrupted, Lost, Signal};
use super::line::Ending;
use super::look::Look;
use super::news::News;
use super::order::GivenOrder;
use super::output::Output;
use super::progress::Progress;
use super::skip::{Dropped, Place};
use super::submissions::Submissions;
use super::terminal::{Terminal, Typed};
use super::view::View;
use super::volumes::Volumes;
use super::work::Work;

const PROMPT: &str = "totebox> ";

/// The state of the console, apart from its serial line.
pub struct Session {
    terminal: Terminal,
    holders: Holders,
    news: News,
    work: Work,
    words: Vec<u8>,
}

impl Session {
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let mut context = Context {
            output: Output::new(),
            volumes: Volumes::new(manifest)?,
            view: View::new(manifest, mapped)?,
            archives: Archives::new(manifest, mapped)?,
            submissions: Submissions::new(),
            tracer: Tracer::open(manifest, mapped)?,
        };
        Ok(Session {
            terminal: Terminal::new(),
            holders: Holders::default(),
            news: News::new(manifest, &mut context.output),
            work: Work::new(context),
            words: vec![0; LINE_MAX],
        })
    }

    pub fn start(&mut self, now_ms: u64) {
        self.work.context.tracer.wake(now_ms);
        self.work.context.tracer.note(Event::Started);
        self.work.context.view.start(now_ms);
    }

    /// The channel by which the orchestrator says that its page may have changed.
    pub fn page_channel(&self) -> Channel {
        self.work.context.view.channel()
    }

    /// The orchestrator's page may have changed.
    pub fn expire_page(&mut self) {
        self.work.context.view.expire();
    }

    /// Something has happened: looks who lives, whether or not the line takes anything.
    pub fn listen(&mut self, now_ms: u64) {
        self.work.context.tracer.wake(now_ms);
        self.work.context.view.look(now_ms);
        while let Some(answered) = self.work.context.view.receive() {
            self.work.activity.answered(&answered);
            self.holders.answered(&answered);
        }
        self.work.context.view.beat();
    }

    pub fn notify_peers(&mut self, kernel: &mut dyn Kernel) {
        self.work.context.archives.notify(kernel);
        self.work.context.view.notify(kernel);
    }

    /// Moves bytes to and from the line, and goes on with one thing.
    pub fn step(&mut self, uart: &mut impl Uart) -> Progress {
        let sent = self.work.context.output.drain(uart);
        let received = self.terminal.input.fill(uart);
        let hung_up = uart.hung_up();
        if hung_up {
            self.hung_up();
        }
        let handled = self.handle_one();
        Progress::moved_if(hung_up || [sent, received, handled].contains(&Progress::Moved))
    }

    /// Handles one thing, if there is one and its answer fits.
    fn handle_one(&mut self) -> Progress {
        if !self.work.context.output.ready() {
            return Progress::Idle;
        }
        if let Some((signal, voided)) = self.terminal.input.take_signal() {
            self.signalled(signal, voided);
            return Progress::Moved;
        }
        if self.work.context.view.take_news() {
            self.news.expire();
        }
        // First the flags, then what came of them.
        self.announce_flag()
            .or_else(|| self.tell_news())
            .or_else(|| self.news.tell_degraded(&mut self.work.context))
            .or_else(|| self.work.take_answer())
            .or_else(|| self.work.receive())
            .or_else(|| self.work.abandon_order())
            .or_else(|| self.work.abandon_stopped())
            .or_else(|| self.work.send())
            .or_else(|| self.work.abandon_silent())
            .or_else(|| self.prompt())
            .or_else(|| self.read_input())
    }

    fn announce_flag(&mut self) -> Progress {
        let progress = self.news.announce_flag(&mut self.work.context);
        if progress == Progress::Moved {
            self.holders.flag_announced();
        }
        progress
    }

    /// Tells what is new on the page, the answer to an order included.
    fn tell_news(&mut self) -> Progress {
        let progress = self.news.tell_volumes(self.work.activity.order(), &mut self.work.context);
        if progress == Progress::Moved {
            if self.news.welcome(&mut self.work.context) == Progress::Moved {
                self.terminal.greeted = true;
                self.meet();
            }
            self.work.show();
        }
        progress
    }

    /// The first prompt is about to be shown: what was typed before it was not typed to it.
    fn meet(&mut self) {
        if core::mem::replace(&mut self.terminal.met, true) {
            return;
        }
        if self.work.is_idle() && self.cut(self.terminal.input.waiting()).is_sending() {
            self.work.skip(Place::LineStart, false);
        }
    }

    /// What the peer is in the middle of, if `voided` is what it sent last.
    fn cut(&self, voided: Lost) -> Cut {
        Cut::of(&self.work, !self.terminal.editor.is_empty(), voided)
    }

    /// Something happened to the line that acts at once; `voided` is what came before it and was never taken up.
    fn signalled(&mut self, signal: Signal, voided: Lost) {
        let (machine, cut) = (self.work.context.machine(), self.cut(voided));
        let typed = match self.terminal.input.take_interrupted() {
            Interrupted::Nothing => false,
            Interrupted::End => !self.terminal.editor.is_empty(),
            Interrupted::Lines => true,
        };
        let dropped = typed && !machine && !matches!(self.work.activity, Activity::Away);
        let output = &mut self.work.context.output;
        if output.mid_line() {
            if signal == Signal::Interrupt {
                output.raw("^C");
            }
            output.end_line();
        }
        self.reset();
        self.terminal.met = true;
        let output = &mut self.work.context.output;
        if dropped {
            let text = "what was typed before Ctrl-C and not taken up was not carried out";
            output.error(Error::Cancelled, None, format_args!("{text}"));
        }
        let untaken = typed || voided != Lost::Nothing;
        let told = self.holders.signalled(signal, untaken, machine, cut);
        match signal {
            Signal::Interrupt => {}
            Signal::Away => self.work.activity = Activity::Away,
            Signal::Back(_) => {
                output.back();
                match self.holders.take_flags() {
                    0 => {}
                    1 => output.line(format_args!("*meanwhile a flag was raised; flags shows it")),
                    flags => output.line(format_args!("*meanwhile {flags} flags were raised; flags shows them")),
                }
            }
        }
        if let Some(cut) = told {
            cut.tell(signal == Signal::Interrupt, &mut self.work);
        }
    }

    /// The line hung up: as Ctrl-C. That may also have been a break on a line at which a person types on.
    fn hung_up(&mut self) {
        let voided = self.terminal.input.clear();
        let cut = self.holders.hung_up(self.cut(voided));
        let output = &mut self.work.context.output;
        if output.mid_line() {
            output.end_line();
        }
        self.reset();
        cut.tell(false, &mut self.work);
    }

    /// Gives up what is under way; a person is at the line.
    fn reset(&mut self) {
        self.work.context.output.set_checked(false);
        self.terminal.editor.clear();
        self.work.give_up();
        self.work.context.submissions.unwatch();
    }

    /// Takes bytes up to the end of the next line and handles it.
    fn read_input(&mut self) -> Progress {
        let mut progress = Progress::Idle;
        while self.work.activity.takes_lines(&self.work.context) && self.work.context.output.ready() {
            let Some(typed) = self.terminal.take(&mut self.work.context.output) else { break };
            progress = Progress::Moved;
            match typed {
                Typed::Part => continue,
                Typed::End => {
                    let then = self.work.activity.input_ended(&mut self.work.context);
                    self.work.then(then);
                    self.work.context.output.input_ended();
                }
                Typed::Line(ending) => {
                    let line = self.terminal.take_line();
                    self.handle_line(&line, ending);
                    self.terminal.give_back(line);
                }
            }
            break;
        }
        progress
    }

    fn handle_line(&mut self, line: &[u8], ending: Ending) {
        match &mut self.work.activity {
            Activity::Put(put) => {
                let then = put.line(line, ending, &mut self.work.context);
                self.work.then(then);
            }
            Activity::Away => {}
            Activity::Skip(skip) => match skip.line(line, ending) {
                Dropped::More => {}
                Dropped::Last => {
                    self.work.activity = Activity::Idle;
                    self.holders.text_ended();
                }
                Dropped::Program => {
                    self.work.activity = Activity::Idle;
                    self.command_line(line, ending);
                }
            },
            Activity::Idle | Activity::Fetch(_) | Activity::Order(_) | Activity::Look(_) => {
                self.command_line(line, ending);
            }
        }
    }

    fn command_line(&mut self, line: &[u8], ending: Ending) {
        // Empty lines are free, and data lines may still come for a submission that was refused.
        if line.is_empty() || line.starts_with(b"@") {
            return;
        }
        if !self.terminal.met {
            return self.work.skip(Place::LineStart, false);
        }
        self.terminal.greeted = true;
        let text_may_follow = !self.work.context.machine() && begins_put(line);
        self.try_command(line, ending);
        if text_may_follow && !matches!(self.work.activity, Activity::Put(_)) {
            // Whoever sends a text with its `put` in one go has not seen that it was refused. That a number stands
            // where a size would does not say that no text follows: it may be part of a name without quotes.
            self.work.skip(Place::LineStart, false);
        }
    }

    fn try_command(&mut self, line: &[u8], ending: Ending) {
        let output = &mut self.work.context.output;
        if ending == Ending::TooLong {
            let text = format_args!("a line has at most {LINE_MAX} bytes; nothing was done");
            return output.error(Error::LineTooLong, None, text);
        }
        let line = match (data::verified(line), output.is_checked()) {
            (Ok(line), _) => line,
            (Err(Damage::NoChecksum), false) => line,
            (Err(Damage::NoChecksum), true) => {
                let text = "no checksum at the end of the line; Ctrl-C goes back to person mode";
                return output.error(Error::BadCrc, None, format_args!("{text}"));
            }
            (Err(Damage::WrongChecksum), _) => {
                let text = "the line does not have the checksum at its end; nothing was done, send it again";
                return output.error(Error::BadCrc, None, format_args!("{text}"));
            }
        };
        let mut buffer = core::mem::take(&mut self.words);
        let words = split(line, &mut buffer);
        let action = match &words {
            Ok(words) => parse(words, &self.work.context.volumes),
            Err(error) => Err(ParseError::Words(*error)),
        };
        match action {
            Ok(action) => self.carry_out(action),
            Err(error) => self.work.context.output.error(error.error(), None, format_args!("{error}")),
        }
        drop(words);
        self.words = buffer;
    }

    fn carry_out(&mut self, action: Action<'_>) {
        self.holders.commanded(matches!(action, Action::Machine { .. }), self.work.context.machine());
        self.work.context.submissions.owe(self.holders.owed());
        let context = &mut self.work.context;
        let begun = match action {
            Action::Help(None) => return help(context),
            Action::Help(Some(command)) => return help_for(command, context),
            Action::Look(kind) => Look::begin(kind, context).map(Activity::Look),
            Action::Order(order, kind, reason) => {
                GivenOrder::give(order, kind, reason, context).map(Activity::Order)
            }
            Action::List { archive, from, count } => {
                Fetch::list(archive, from, count, context).map(Activity::Fetch)
            }
            Action::Put { archive, name, size, hash } => {
                Put::begin(archive, name, size, hash, context).map(Activity::Put)
            }
            Action::Sign { archive } => Fetch::signature(archive, context).map(Activity::Fetch),
            Action::Get { archive, sequence, offset } => {
                Fetch::document(archive, sequence, offset, context).map(Activity::Fetch)
            }
            Action::Receipt { tag } => return receipt::show(tag, context),
            Action::Machine { number } => {
                context.output.set_checked(true);
                return context.output.line(format_args!("+machine {PROTOCOL} {number}"));
            }
            Action::Person => {
                context.output.set_checked(false);
                context.output.line(format_args!("+person"));
                if let Some(cut) = self.holders.program_left() {
                    cut.tell(false, &mut self.work);
                }
                return;
            }
        };
        if let Some(activity) = begun {
            self.work.activity = activity;
        }
    }

    fn prompt(&mut self) -> Progress {
        let output = &mut self.work.context.output;
        if output.is_checked() || output.mid_line() {
            return Progress::Idle;
        }
        let prompt = match &self.work.activity {
            Activity::Idle if self.terminal.greeted => PROMPT,
            Activity::Put(put) if put.takes_lines() => "",
            Activity::Skip(_) => "",
            _ => return Progress::Idle,
        };
        self.terminal.prompt(prompt, output);
        Progress::moved_if(output.mid_line())
    }
}

/// Whether a line was meant to put something, well or badly.
fn begins_put(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let word = match line.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next(),
        None => line.split(u8::is_ascii_whitespace).next(),
    };
    word.is_some_and(|word| word.eq_ignore_ascii_case(b"put"))
}
