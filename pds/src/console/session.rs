//! What is under way at the console: the mode, the one activity, and what waits for the archives.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use totebox_manifest::{Link, LinkKind, Manifest, Role, name_str};
use totebox_shm::Mapped;

use super::audit::Verification;
use super::commands::{COMMANDS, Command, Help, ParseError, parse};
use super::data::{self, Damage, LINE_MAX, PROTOCOL};
use super::errors::Error;
use super::fetch::{Get, List};
use super::input::Input;
use super::lifecycle::Transition;
use super::line::{Ending, LineEditor};
use super::links::{ArchiveLink, Message, Outbox};
use super::output::Output;
use super::put::Put;
use super::status::Told;
use super::submissions::Submissions;
use super::surface::SurfaceView;
use super::words::{Quoted, split};
use crate::proto::flag::FLAGS_MAX;
use crate::proto::intake::Op;
use crate::{Channel, Kernel, SetupError};

const PROMPT: &str = "totebox> ";

/// What the console is busy with. While it is, it takes no commands.
pub enum Activity {
    Idle,
    Put(Put),
    Get(Get),
    List(List),
    Audit(Verification),
    Transition(Transition),
    Acknowledge { tag: u32, flag: u32 },
    History { tag: u32 },
}

impl Activity {
    /// The archive whose answers it needs to go on, and the tag they carry.
    pub fn awaits(&self) -> Option<(usize, u32)> {
        match self {
            Activity::Put(put) => put.awaits(),
            &(Activity::Get(Get { link, tag, .. }) | Activity::List(List { link, tag, .. })) => Some((link, tag)),
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
    pub(super) orchestrator: Channel,
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
    editor: LineEditor,
    /// Machine mode; otherwise a person is at the line.
    pub(super) machine: bool,
    /// It was said that the appliance is up.
    pub(super) welcomed: bool,
    /// Prompts are shown: from the welcome on, or from the first line typed before it.
    pub(super) greeted: bool,
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
    /// A fresh session; `orchestrator` is the channel of `link`.
    pub fn new(
        manifest: &Manifest<'_>,
        mapped: Mapped,
        link: &Link,
        orchestrator: Channel,
    ) -> Result<Self, SetupError> {
        let header = manifest.header();
        let volumes: Vec<String> = manifest.volumes().iter().map(|volume| volume.name().to_string()).collect();
        if volumes.len() != usize::from(header.archives) + 1 {
            return Err(SetupError::Volumes);
        }
        let missing = SetupError::Link(Role::Orchestrator, LinkKind::Page);
        let links = (0..header.archives).map(|index| ArchiveLink::new(manifest, mapped, index));
        let mut session = Session {
            deployment: name_str(&header.deployment_name).to_string(),
            links: links.collect::<Result<_, _>>()?,
            orchestrator,
            surface: SurfaceView::new(mapped, link.theirs).ok_or(missing)?,
            told: vec![Told::default(); volumes.len()],
            told_degraded: 0,
            told_flags: heapless::Vec::new(),
            flags_stale: false,
            news: false,
            volumes,
            input: Input::new(),
            output: Output::new(),
            editor: LineEditor::new(),
            machine: false,
            welcomed: false,
            greeted: false,
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
    pub fn step(&mut self, kernel: &mut dyn Kernel) -> bool {
        if !self.output.ready() {
            return false;
        }
        if self.input.take_interrupt() {
            self.interrupt();
            return true;
        }
        if self.surface.take_news() {
            (self.flags_stale, self.news) = (true, true);
        }
        // First the flags, then what came of them.
        self.announce_flag()
            || self.tell_news()
            || self.receive()
            || self.abandon_stopped()
            || self.send()
            || self.prompt()
            || self.read_input(kernel)
    }

    /// Wakes every archive that was sent something or has room again.
    pub fn wake_archives(&mut self, kernel: &mut dyn Kernel) {
        self.links.iter_mut().for_each(|link| link.wake(kernel));
    }

    /// A new tag; every answer of an archive carries its request's.
    pub(super) fn new_tag(&mut self) -> u32 {
        self.last_tag = self.last_tag.wrapping_add(1).max(1);
        self.last_tag
    }

    /// Ctrl-C: gives up what is under way, and a person is at the line again.
    fn interrupt(&mut self) {
        if self.output.mid_line() {
            self.output.raw("^C");
            self.output.end_line();
        }
        self.reset();
    }

    /// The line hung up: as Ctrl-C, and what was typed is gone with the peer.
    pub fn hang_up(&mut self) {
        self.input.clear();
        if self.output.mid_line() {
            self.output.end_line();
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.machine = false;
        self.output.set_checked(false);
        self.editor.clear();
        self.give_up();
        self.submissions.unwatch();
    }

    /// Ends the activity on the operator's wish.
    fn give_up(&mut self) {
        match &self.activity {
            Activity::Idle => {}
            Activity::Put(_) => self.give_up_put(),
            &(Activity::Get(Get { link, tag, .. }) | Activity::List(List { link, tag, .. })) => {
                if self.outbox.withdraw().is_none() {
                    self.links[link].owe(Op::Cancel, tag);
                }
                self.output.error(Error::Cancelled, None, format_args!("stopped"));
            }
            Activity::Audit(_) => self.stop_waiting("the auditor goes on, status will show its verdict"),
            Activity::Transition(_) => self.stop_waiting("it goes on, status will show how it ended"),
            Activity::Acknowledge { .. } => self.stop_waiting("flags will show whether it was recorded"),
            Activity::History { .. } => self.stop_waiting("what comes is dropped"),
        }
        self.activity = Activity::Idle;
    }

    fn stop_waiting(&mut self, and_now: &str) {
        self.output.error(Error::Cancelled, None, format_args!("no longer waiting; {and_now}"));
    }

    /// Whether the next line can be handled now.
    fn takes_lines(&self) -> bool {
        match &self.activity {
            Activity::Idle => true,
            Activity::Put(put) => put.takes_lines() && self.outbox.is_empty(),
            _ => false,
        }
    }

    fn takes_data(&self) -> bool {
        matches!(&self.activity, Activity::Put(put) if put.takes_data())
    }

    /// Takes bytes up to the end of the next line and handles it; whether there were any.
    fn read_input(&mut self, kernel: &mut dyn Kernel) -> bool {
        let mut moved = false;
        let raw = self.machine || self.takes_data();
        while self.takes_lines() && self.output.ready() {
            let Some(byte) = self.input.pop() else { break };
            moved = true;
            let ending = match raw {
                true => self.editor.take(byte),
                false => self.editor.edit(byte, &mut self.output),
            };
            if let Some(ending) = ending {
                let mut line = core::mem::take(&mut self.line);
                self.editor.finish(&mut line);
                self.handle_line(kernel, &line, ending);
                self.line = line;
                break;
            }
        }
        moved
    }

    fn handle_line(&mut self, kernel: &mut dyn Kernel, line: &[u8], ending: Ending) {
        let takes_data = self.takes_data();
        match &mut self.activity {
            Activity::Put(_) if takes_data => self.data_line(line, ending),
            Activity::Put(_) => self.text_line(line, ending),
            _ => self.command_line(kernel, line, ending),
        }
    }

    fn command_line(&mut self, kernel: &mut dyn Kernel, line: &[u8], ending: Ending) {
        self.greeted = true;
        // Empty lines are free, and data lines may still come for a submission that was refused.
        if line.is_empty() || line.starts_with(b"@") {
            return;
        }
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
            Ok(command) => self.carry_out(kernel, command),
            Err(error) => self.output.error(error.error(), None, format_args!("{error}")),
        }
        drop(words);
        self.words = buffer;
    }

    fn carry_out(&mut self, kernel: &mut dyn Kernel, command: Command<'_>) {
        match command {
            Command::Help(None) => self.help(),
            Command::Help(Some(help)) => self.help_for(help),
            Command::Status => self.status(),
            Command::Flags => self.flags(),
            Command::Acknowledge { flag, reason } => self.begin_acknowledge(kernel, flag, reason),
            Command::History { from } => self.begin_history(kernel, from),
            Command::Change { archive, change } => self.begin_transition(kernel, archive, change),
            Command::List { archive, from, count } => self.begin_list(archive, from, count),
            Command::Put { archive, name, size, hash } => self.begin_put(archive, name, size, hash),
            Command::Get { archive, sequence, offset } => self.begin_get(archive, sequence, offset),
            Command::Receipt { tag } => self.receipt(tag),
            Command::Audit(volume) => self.begin_audit(kernel, volume),
            Command::Machine { number } => {
                self.machine = true;
                self.output.set_checked(true);
                self.output.line(format_args!("+machine {PROTOCOL} {number}"));
            }
            Command::Person => {
                self.machine = false;
                self.output.set_checked(false);
                self.output.line(format_args!("+person"));
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
        self.output.line(format_args!("+help COMMAND says more about one"));
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
            Activity::Put(put) if put.takes_lines() && !put.takes_data() => "",
            _ => return false,
        };
        self.output.raw(prompt);
        self.output.typed(self.editor.shown());
        self.output.mid_line()
    }
}
