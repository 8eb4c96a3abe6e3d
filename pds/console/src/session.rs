//! What is under way at the console: the mode, the one activity, and what waits for the archives.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use totebox_console_protocol::control;
use totebox_console_protocol::data::{self, Damage, LINE_MAX, PROTOCOL};
use totebox_console_protocol::words::{Quoted, split};
use totebox_domain::{Kernel, SetupError};
use totebox_manifest::{Manifest, name_str};
use totebox_protocol::flag::FLAGS_MAX;
use totebox_protocol::intake::Op;
use totebox_shm::Mapped;

use super::audit::Verification;
use super::clock::ClockView;
use super::commands::{COMMANDS, Command, Help, LEAVING, ParseError, parse};
use super::errors::Error;
use super::fetch::{Get, List};
use super::holder::{Holders, Place, Skip};
use super::input::Input;
use super::lifecycle::Transition;
use super::line::{Ending, LineEditor};
use super::links::{ArchiveLink, Message, Outbox};
use super::orchestrator::{Answered, OrchestratorLink};
use super::orders::{Look, Order};
use super::output::Output;
use super::put::Put;
use super::status::Told;
use super::submissions::Submissions;
use super::surface::SurfaceView;

const PROMPT: &str = "totebox> ";

/// What the console is busy with. While it is, it takes no commands.
pub enum Activity {
    Idle,
    /// The terminal has lost the line; what its next holder begins with is Ctrl-C.
    Away,
    /// Lines are dropped: they belong to what is gone.
    Skip(Skip),
    Put(Put),
    Get(Get),
    List(List),
    /// An archive signs a checkpoint.
    Sign {
        link: usize,
        tag: u32,
    },
    Audit(Verification),
    Transition(Transition),
    Acknowledge {
        tag: u32,
        flag: u32,
    },
    History {
        tag: u32,
    },
    /// Findings of a volume are to come.
    Findings {
        volume: usize,
        tag: u32,
    },
    /// The orchestrator is to answer an order.
    Order {
        tag: u32,
        order: Order,
    },
    /// It is to bring the surface up to date, so that it can be shown.
    Look {
        tag: u32,
        look: Look,
    },
}

impl Activity {
    /// The archive whose answers it needs to go on, and the tag they carry.
    pub fn awaits(&self) -> Option<(usize, u32)> {
        match self {
            Activity::Put(put) => Some(put.awaits()),
            &(Activity::Get(Get { link, tag, .. }) | Activity::List(List { link, tag, .. })) => Some((link, tag)),
            &Activity::Sign { link, tag } => Some((link, tag)),
            _ => None,
        }
    }
}

/// The state of the console, apart from its serial line.
pub struct Session {
    pub(super) deployment: String,
    /// The volumes' names: archive i's is the i-th, the audit volume's the last.
    pub(super) volumes: Vec<String>,
    pub(super) links: Vec<ArchiveLink>,
    pub(super) orchestrator: OrchestratorLink,
    /// Its last answer to an order that was waited for.
    pub(super) answered: Option<Answered>,
    pub(super) clock: ClockView,
    /// What the CPU's counter showed when this event came. Signs of life are judged by it.
    pub(super) now_ms: u64,
    pub(super) surface: SurfaceView,
    /// What the operator was told, a volume each.
    pub(super) told: Vec<Told>,
    /// What else of the surface the operator was told.
    pub(super) told_degraded: u8,
    pub(super) told_flags: heapless::Vec<u32, FLAGS_MAX>,
    /// There may be flags the operator has not heard of.
    pub(super) flags_stale: bool,
    /// The surface has news that were not told.
    pub(super) news: bool,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) editor: LineEditor,
    pub(super) holders: Holders,
    /// Machine mode; otherwise a person is at the line.
    pub(super) machine: bool,
    /// It was said that the appliance is up.
    pub(super) welcomed: bool,
    /// Prompts are shown: from the welcome on, or from the first command before it.
    pub(super) greeted: bool,
    /// Who types knows that this console is there: it has shown its prompt, or Ctrl-C came. What is typed before may
    /// belong to what was under way when the appliance started anew.
    pub(super) met: bool,
    pub(super) activity: Activity,
    pub(super) outbox: Outbox,
    pub(super) submissions: Submissions,
    pub(super) last_tag: u32,
    /// The archive whose answers are looked for first.
    pub(super) next_link: usize,
    pub(super) message: Option<Message>,
    /// The line being handled, and room for its words.
    line: Vec<u8>,
    words: Vec<u8>,
}

impl Session {
    /// A fresh session.
    pub fn new(manifest: &Manifest<'_>, mapped: Mapped) -> Result<Self, SetupError> {
        let header = manifest.header();
        let volumes: Vec<String> = manifest.volumes().iter().map(|volume| volume.name().to_string()).collect();
        if volumes.len() != usize::from(header.archives) + 1 {
            return Err(SetupError::Volumes);
        }
        let links = (0..header.archives).map(|index| ArchiveLink::new(manifest, mapped, index));
        let mut session = Session {
            deployment: name_str(&header.deployment_name).to_string(),
            links: links.collect::<Result<_, _>>()?,
            orchestrator: OrchestratorLink::new(manifest, mapped)?,
            answered: None,
            clock: ClockView::new(manifest, mapped)?,
            now_ms: 0,
            surface: SurfaceView::new(manifest, mapped)?,
            told: vec![Told::default(); volumes.len()],
            told_degraded: 0,
            told_flags: heapless::Vec::new(),
            flags_stale: false,
            news: false,
            volumes,
            input: Input::new(),
            output: Output::new(),
            editor: LineEditor::new(),
            holders: Holders::default(),
            machine: false,
            welcomed: false,
            greeted: false,
            met: false,
            activity: Activity::Idle,
            outbox: Outbox::new(),
            submissions: Submissions::new(),
            last_tag: 0,
            next_link: 0,
            message: Some(Message::new()),
            line: Vec::with_capacity(LINE_MAX),
            words: vec![0; LINE_MAX],
        };
        let (name, archives) = (&session.deployment, session.links.len());
        session.output.line(format_args!("*Totebox {name}: starting {archives} archives"));
        Ok(session)
    }

    /// Handles one thing, if there is one and its answer fits; whether there was.
    pub fn step(&mut self) -> bool {
        if !self.output.ready() {
            return false;
        }
        if let Some((signal, voided)) = self.input.take_signal() {
            self.signalled(signal, voided);
            return true;
        }
        if self.surface.take_news() {
            (self.flags_stale, self.news) = (true, true);
        }
        // First the flags, then what came of them.
        self.announce_flag()
            || self.tell_news()
            || self.tell_degraded()
            || self.take_answer()
            || self.receive()
            || self.abandon_order()
            || self.abandon_stopped()
            || self.send()
            || self.abandon_silent()
            || self.prompt()
            || self.read_input()
    }

    /// Something has happened: looks who lives, whether or not the line takes anything.
    pub fn listen(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.clock.look(now_ms);
        while let Some(answered) = self.orchestrator.receive(now_ms) {
            let awaited = match self.activity {
                Activity::Order { tag, .. } | Activity::Look { tag, .. } => tag == answered.tag,
                _ => false,
            };
            match awaited {
                true => self.answered = Some(answered),
                false => self.holders.answered(&answered),
            }
            self.surface.expire();
        }
        self.orchestrator.beat(now_ms);
    }

    /// Wakes everybody who was sent something or has room again.
    pub fn wake_peers(&mut self, kernel: &mut dyn Kernel) {
        self.links.iter_mut().for_each(|link| link.notify(kernel));
        self.orchestrator.notify(kernel);
    }

    /// A new tag; every answer of an archive carries its request's.
    pub(super) fn new_tag(&mut self) -> u32 {
        self.last_tag = self.last_tag.wrapping_add(1).max(1);
        self.last_tag
    }

    /// Gives up what is under way; a person is at the line.
    pub(super) fn reset(&mut self) {
        self.machine = false;
        self.output.set_checked(false);
        self.editor.clear();
        self.give_up();
        self.submissions.unwatch();
    }

    /// Ends the activity on the operator's wish.
    pub(super) fn give_up(&mut self) {
        match &self.activity {
            Activity::Idle | Activity::Away => {}
            Activity::Skip(_) => self.stop_skipping(),
            Activity::Put(_) => self.give_up_put(),
            &(Activity::Get(Get { link, tag, .. }) | Activity::List(List { link, tag, .. })) => {
                if self.outbox.withdraw().is_none() {
                    self.links[link].owe(Op::Cancel, tag);
                }
                self.output.error(Error::Cancelled, None, format_args!("stopped"));
            }
            Activity::Sign { .. } => {
                self.outbox.withdraw();
                self.stop_waiting("ls will show the checkpoint");
            }
            Activity::Audit(_) => self.stop_waiting("the auditor goes on, status will show its verdict"),
            Activity::Transition(_) => self.stop_waiting("it goes on, status will show how it ended"),
            Activity::Acknowledge { .. } => self.stop_waiting("flags will show whether it was recorded"),
            Activity::History { .. } | Activity::Findings { .. } => self.stop_waiting("what comes is dropped"),
            Activity::Order { order, .. } if order.op.is_a_question() => {
                self.stop_waiting("what comes is dropped")
            }
            Activity::Order { .. } => self.stop_waiting("it may still be carried out, see status"),
            Activity::Look { .. } => self.output.error(Error::Cancelled, None, format_args!("stopped")),
        }
        self.activity = Activity::Idle;
    }

    fn stop_waiting(&mut self, and_now: &str) {
        self.output.error(Error::Cancelled, None, format_args!("no longer waiting; {and_now}"));
    }

    /// Whether the next line can be handled now.
    fn takes_lines(&self) -> bool {
        match &self.activity {
            Activity::Idle | Activity::Away | Activity::Skip(_) => true,
            Activity::Put(put) => put.takes_lines() && self.outbox.is_empty(),
            _ => false,
        }
    }

    fn takes_data(&self) -> bool {
        matches!(&self.activity, Activity::Put(put) if put.takes_data())
    }

    /// Takes bytes up to the end of the next line and handles it; whether there were any.
    fn read_input(&mut self) -> bool {
        let mut moved = false;
        let raw = self.machine;
        while self.takes_lines() && self.output.ready() {
            let Some(byte) = self.input.pop() else { break };
            moved = true;
            if byte == control::END && self.editor.is_empty() {
                self.input_ended();
                break;
            }
            let ending = match raw {
                true => self.editor.take(byte),
                false => self.editor.edit(byte, &mut self.output),
            };
            if let Some(ending) = ending {
                let mut line = core::mem::take(&mut self.line);
                self.editor.finish(&mut line);
                self.handle_line(&line, ending);
                self.line = line;
                break;
            }
        }
        moved
    }

    fn handle_line(&mut self, line: &[u8], ending: Ending) {
        let takes_data = self.takes_data();
        match &mut self.activity {
            Activity::Put(_) if takes_data => self.data_line(line, ending),
            Activity::Put(_) => self.text_line(line, ending),
            Activity::Away => {}
            Activity::Skip(_) => {
                if self.skipped_line(line, ending) {
                    self.activity = Activity::Idle;
                    self.command_line(line, ending);
                }
            }
            _ => self.command_line(line, ending),
        }
    }

    /// The input has ended, and everything before it was attended to.
    fn input_ended(&mut self) {
        if matches!(self.activity, Activity::Put(_)) {
            self.end_put();
        }
        self.output.input_ended();
    }

    fn command_line(&mut self, line: &[u8], ending: Ending) {
        // Empty lines are free, and data lines may still come for a submission that was refused.
        if line.is_empty() || line.starts_with(b"@") {
            return;
        }
        if !self.met {
            return self.skip(Place::LineStart, false);
        }
        self.greeted = true;
        let text_may_follow = !self.machine && begins_put(line);
        self.try_command(line, ending);
        if text_may_follow && !matches!(self.activity, Activity::Put(_)) {
            // Whoever sends a text with its `put` in one go has not seen that it was refused. That a number stands where
            // a size would does not say that no text follows: it may be part of a name without quotes.
            self.skip(Place::LineStart, false);
        }
    }

    fn try_command(&mut self, line: &[u8], ending: Ending) {
        if ending == Ending::TooLong {
            let text = format_args!("a line has at most {LINE_MAX} bytes; nothing was done");
            return self.output.error(Error::LineTooLong, None, text);
        }
        let line = match (data::verified(line), self.machine) {
            (Ok(line), _) => line,
            (Err(Damage::NoChecksum), false) => line,
            (Err(Damage::NoChecksum), true) => {
                let text = "no checksum at the end of the line; Ctrl-C goes back to person mode";
                return self.output.error(Error::BadCrc, None, format_args!("{text}"));
            }
            (Err(Damage::WrongChecksum), _) => {
                let text = "the line does not have the checksum at its end; nothing was done, send it again";
                return self.output.error(Error::BadCrc, None, format_args!("{text}"));
            }
        };
        let mut buffer = core::mem::take(&mut self.words);
        let words = split(line, &mut buffer);
        let command = match &words {
            Ok(words) => parse(words, &self.volumes),
            Err(error) => Err(ParseError::Words(*error)),
        };
        match command {
            Ok(command) => self.carry_out(command),
            Err(error) => self.output.error(error.error(), None, format_args!("{error}")),
        }
        drop(words);
        self.words = buffer;
    }

    fn carry_out(&mut self, command: Command<'_>) {
        self.commanded(matches!(command, Command::Machine { .. }));
        match command {
            Command::Help(None) => self.help(),
            Command::Help(Some(help)) => self.help_for(help),
            Command::Status => self.look(Look::Status),
            Command::Flags(None) => self.look(Look::Flags),
            Command::Flags(Some(volume)) => self.begin_findings(volume),
            Command::Acknowledge { flag, reason } => self.begin_acknowledge(flag, reason),
            Command::History { from } => self.begin_history(from),
            Command::Change { archive, change } => self.begin_transition(archive, change),
            Command::List { archive, from, count } => self.begin_list(archive, from, count),
            Command::Put { archive, name, size, hash } => self.begin_put(archive, name, size, hash),
            Command::Sign { archive } => self.begin_sign(archive),
            Command::Get { archive, sequence, offset } => self.begin_get(archive, sequence, offset),
            Command::Receipt { tag } => self.receipt(tag),
            Command::Audit(volume) => self.begin_audit(volume),
            Command::Machine { number } => {
                self.machine = true;
                self.output.set_checked(true);
                self.output.line(format_args!("+machine {PROTOCOL} {number}"));
            }
            Command::Person => {
                self.machine = false;
                self.output.set_checked(false);
                self.output.line(format_args!("+person"));
                self.left_machine_mode(false);
            }
        }
    }

    fn help(&mut self) {
        for Help { name, arguments, summary, .. } in COMMANDS {
            if self.machine {
                let arguments = Quoted(arguments.as_bytes());
                self.output.line(format_args!("=command name={name} arguments={arguments} summary=\"{summary}\""));
            } else {
                let usage: heapless::String<48> = heapless::format!("{name} {arguments}").unwrap_or_default();
                self.output.line(format_args!("  {usage:<34} {summary}"));
            }
        }
        match self.machine {
            true => self.output.line(format_args!("+help COMMAND says more about one")),
            false => self.output.line(format_args!("+help COMMAND says more about one; {LEAVING}")),
        }
    }

    fn help_for(&mut self, help: &Help) {
        let Help { name, arguments, summary, details } = help;
        let row = if self.machine { "=" } else { "  " };
        self.output.line(format_args!("{row}{name} {arguments}: {summary}"));
        for detail in *details {
            self.output.line(format_args!("{row}{detail}"));
        }
        self.output.line(format_args!("+help"));
    }

    /// Shows the prompt, and behind it what was typed before something else was shown; whether it had to.
    fn prompt(&mut self) -> bool {
        if self.machine || self.output.mid_line() {
            return false;
        }
        let prompt = match &self.activity {
            Activity::Idle if self.greeted => PROMPT,
            Activity::Put(put) if put.takes_lines() => "",
            Activity::Skip(_) => "",
            _ => return false,
        };
        self.output.raw(prompt);
        self.output.typed(self.editor.shown());
        self.output.mid_line()
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
