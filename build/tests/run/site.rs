//! A deployment in a folder of its own, and `totebox run` on it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;
use totebox_deployment::Deployment;

use crate::common;

/// How long a test waits for anything.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// The deployment's folder, and beside it the programs as an installation has them.
pub struct Site {
    directory: TempDir,
}

impl Site {
    /// A deployment of three small archives.
    pub fn new() -> Site {
        // Beside the programs, so that they can be linked rather than copied.
        let site = Site { directory: TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        fs::create_dir(site.path("bin")).unwrap();
        fs::create_dir(site.path("deployment")).unwrap();
        site.link(Path::new(env!("CARGO_BIN_EXE_totebox")), "bin/totebox");
        site.link(&std::env::current_exe().unwrap(), "bin/totebox-hosted");
        site.deploy(&common::with_archives(3));
        site
    }

    fn link(&self, program: &Path, name: &str) {
        fs::hard_link(program, self.path(name)).unwrap();
    }

    /// Writes the deployment's files.
    pub fn deploy(&self, text: &str) {
        fs::write(self.path("deployment/totebox.toml"), text).unwrap();
        let deployment = Deployment::load(&self.path("deployment")).unwrap();
        fs::write(self.path("deployment/system.xml"), deployment.system_xml()).unwrap();
        deployment.make_keys().unwrap();
    }

    /// A file of the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The names in the deployment's folder, sorted.
    pub fn names(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(self.path("deployment")).unwrap().map(name).collect();
        names.sort();
        names
    }

    /// `totebox run` on the deployment, with a console in the site.
    pub fn command(&self) -> Command {
        self.command_at("console")
    }

    /// `totebox run` on the deployment, with a console of this name in the site.
    pub fn command_at(&self, console: &str) -> Command {
        self.run_by(Command::new(self.path("bin/totebox")), console)
    }

    /// The same with its standard streams closed as a shell does it: `<&- >&-`.
    pub fn command_with_closed(&self, streams: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec \"$0\" \"$@\" {streams}")]).arg(self.path("bin/totebox"));
        self.run_by(command, "console")
    }

    fn run_by(&self, mut command: Command, console: &str) -> Command {
        command.arg("run").arg("--deployment").arg(self.path("deployment"));
        command.arg("--console").arg(format!("unix:{}", self.path(console).display()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the command, and waits until the console's socket is there.
    pub fn start(&self, command: &mut Command) -> Running {
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("console at ") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "the run ended before it began");
        }
        Running { child, said }
    }

    /// A peer at the console, in person mode, behind its first prompt.
    pub fn connect(&self) -> Peer {
        let stream = UnixStream::connect(self.path("console")).unwrap();
        Peer::new(stream.try_clone().unwrap().into(), stream.into())
    }

    /// Runs the command, which must fail; returns what it complained of.
    pub fn refused(&self, command: &mut Command) -> String {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        loop {
            let begin = said.len();
            if lines.read_line(&mut said).unwrap() == 0 {
                break;
            }
            // An appliance that is not refused would run for ever.
            if ["console at ", "the operator's line is "].iter().any(|up| said[begin..].starts_with(up)) {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{command:?} was not refused: {said}");
            }
        }
        assert_eq!(child.wait().unwrap().code(), Some(2), "{said}");
        said
    }
}

/// A run under test; killed when this value goes.
pub struct Running {
    pub child: Child,
    said: BufReader<ChildStderr>,
}

impl Running {
    /// Processes of the run, itself first.
    pub fn processes(&self) -> Vec<OwnedFd> {
        let open = |pid: u32| pidfd_open(Pid::from_raw(pid as i32).unwrap(), PidfdFlags::empty()).unwrap();
        self.pids().into_iter().map(open).collect()
    }

    /// Their numbers.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = pids.get(next) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
            pids.extend(children.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()));
            next += 1;
        }
        pids
    }

    /// What the run says to its end, and its exit code.
    pub fn end(mut self) -> (String, Option<i32>) {
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        (said, self.child.wait().unwrap().code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a process has ended.
pub fn wait_for_end(process: &OwnedFd) {
    let ended = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&timeout())).unwrap();
    assert_eq!(ended, 1, "a process is left");
}

fn timeout() -> Timespec {
    Timespec { tv_sec: TIMEOUT.as_secs() as i64, tv_nsec: 0 }
}

/// Somebody typing at the console.
pub struct Peer {
    input: fs::File,
    output: fs::File,
    shown: Vec<u8>,
}

impl Peer {
    /// Types to `input` and sees what comes from `output`.
    pub fn new(input: OwnedFd, output: OwnedFd) -> Peer {
        Peer { input: input.into(), output: output.into(), shown: Vec::new() }
    }

    /// Types something.
    pub fn send(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until a text is shown; returns everything up to it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some(start) = self.shown.windows(text.len()).position(|window| window == text.as_bytes()) {
                let rest = self.shown.split_off(start + text.len());
                return String::from_utf8(std::mem::replace(&mut self.shown, rest)).unwrap();
            }
            let shown = String::from_utf8_lossy(&self.shown);
            let ready = poll(&mut [PollFd::new(&self.output, PollFlags::IN)], Some(&timeout())).unwrap();
            assert_eq!(ready, 1, "no {text:?} in {shown:?}");
            let mut piece = [0; 4096];
            let count = self.output.read(&mut piece).unwrap();
            assert_ne!(count, 0, "no {text:?} in {shown:?}, and the end");
            self.shown.extend_from_slice(&piece[..count]);
        }
    }

    /// Types a command; returns what is shown up to the next prompt.
    pub fn ask(&mut self, command: &str) -> String {
        // An event may bring a prompt of its own; what ends an answer is that the next command is taken up.
        self.send(&format!("{command}\rend-of-answer\r"));
        self.wait_for("no command \"end-of-answer\"")
    }
}
