//! The process the appliance runs in: the hosted backend's supervisor, or QEMU.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, getppid, kill_process, pidfd_open, set_child_subreaper,
    set_parent_process_death_signal, waitpgid,
};
use totebox_shown::ShowPath;

use totebox_common::errln;
use totebox_common::output::causes;
use totebox_deployment::Deployment;

const HOSTED: &str = "totebox-hosted";

/// How long a backend may take to end by itself when asked to.
const END_PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Linux, a process for each protection domain. For development.
    Hosted,
    /// seL4, on the board as QEMU emulates it.
    Qemu {
        /// The Microkit configuration of the image: `debug` or `release`.
        config: String,
    },
}

/// A running backend. Dropping it ends it.
#[derive(Debug)]
pub struct Backend {
    program: &'static str,
    child: Child,
    line: UnixStream,
}

impl Backend {
    pub fn hosted(system: &Path, manifests: &Path, disk: &Path) -> Result<Backend> {
        let program = std::env::current_exe()?.with_file_name(HOSTED);
        ensure!(program.exists(), "there is no {}; `cargo build --release` builds it", program.shown());
        let mut command = Command::new(program);
        command.arg(system).arg("--manifests").arg(manifests).arg("--disk").arg(disk);
        Backend::start(HOSTED, command.args(["--console", "stdin"]))
    }

    /// Boots `image` in the QEMU of the deployment's board, which inherits `disk` and with it the lock.
    pub fn qemu(deployment: &Deployment, image: &Path, disk: File) -> Result<Backend> {
        let board = &deployment.board;
        let qemu = board.qemu.as_ref().with_context(|| format!("the board {} has no [qemu]", board.name))?;
        let here = deployment.directory.join(".");
        let folder = here.canonicalize().unwrap_or(here);
        ensure!(
            image.exists(),
            "there is no image {}; `make image DEPLOYMENT={}` in Totebox's sources builds it",
            image.shown(),
            folder.shown()
        );
        fcntl_setfd(&disk, FdFlags::empty())?;
        // By its descriptor, so that it is this disk, whatever its path names by now.
        let path = format!("/proc/self/fd/{}", disk.as_raw_fd());
        let words = qemu.command(image, Path::new(&path), "stdio");
        // Tethered, since QEMU itself outlives whoever started it.
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["die-with", &std::process::id().to_string()]).args(words);
        Backend::start("QEMU", &mut command)
    }

    /// Starts a process whose standard input and output are the appliance's serial line.
    fn start(program: &'static str, command: &mut Command) -> Result<Backend> {
        let (line, theirs) = UnixStream::pair()?;
        let (input, output) = (theirs.try_clone()?, theirs);
        line.set_nonblocking(true)?;
        // What outlives the child becomes this process's own, which can wait for its end.
        set_child_subreaper(Some(getpid()))?;
        // In a group of its own the terminal's Ctrl-C does not reach it before this process has ended it.
        let child = command
            .stdin(Stdio::from(OwnedFd::from(input)))
            .stdout(Stdio::from(OwnedFd::from(output)))
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", Path::new(command.get_program()).shown()))?;
        // The command keeps our copies of the far end, which would keep the line from closing.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Backend { program, child, line })
    }

    pub fn program(&self) -> &'static str {
        self.program
    }

    /// The appliance's serial line; reading and writing never wait.
    pub fn line(&self) -> &UnixStream {
        &self.line
    }

    /// Ends the backend, if it has not ended yet, and returns how it did. Then nobody has the disk any more.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.end()
    }

    fn end(&mut self) -> Result<ExitStatus> {
        let status = self.end_child()?;
        // The domains of the hosted backend die with their supervisor, each in its own time.
        let group = Pid::from_child(&self.child);
        while waitpgid(group, WaitOptions::empty()).is_ok() {}
        Ok(status)
    }

    fn end_child(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        let mut end = [PollFd::new(&process, PollFlags::IN)];
        if retry_on_intr(|| poll(&mut end, Some(&END_PATIENCE)))? == 0 {
            self.child.kill()?;
        }
        Ok(self.child.wait()?)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            errln!("the backend could not be ended: {}", causes(&error));
        }
    }
}

/// Becomes `command`, which the kernel ends together with its parent `parent`. Returns only if that fails.
pub fn die_with(parent: i32, command: &[OsString]) -> Result<Infallible> {
    let [program, arguments @ ..] = command else { bail!("no program given") };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    ensure!(getppid() == Pid::from_raw(parent), "the process that this one ends with has already ended");
    let error = Command::new(program).args(arguments).exec();
    let program = Path::new(program).shown();
    Err(error).with_context(|| format!("cannot start {program}; is it installed?"))
}
