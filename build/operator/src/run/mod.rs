//! `totebox run`: starts the appliance and joins its serial line to the operator's terminal and to whoever
//! connects to a socket.
//!
//! The backend is a child process whose standard input and output are one end of a socket pair: its serial
//! line. The other end is the bridge's, which gives the line to one holder at a time.

mod backend;
mod bridge;
mod disk;
mod finder;
mod keys;
mod prompts;
mod script;
mod socket;
mod streams;
mod terminal;
mod turns;

use std::io::{stderr, stdin, stdout};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use totebox_shown::ShowPath;

use crate::client::sign::sign_before_stop;
use crate::client::{Connection, Session, Timing};
use totebox_common::errln;
use totebox_common::files::{keep_to_owner, secret_directory};
use totebox_common::output::OutputError;
use totebox_common::read::text;
use totebox_deployment::{Deployment, SYSTEM_FILE, SYSTEM_MAX};

pub use backend::{Kind, die_with};
pub use socket::default_console;

use backend::Backend;
use bridge::{Bridge, End, Ends, TIMEOUT};
use socket::ConsoleSocket;
use terminal::{RawTerminal, without_waiting};

/// How long archives may take to sign before the appliance is stopped all the same.
const SIGN_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Options {
    pub deployment: PathBuf,
    pub backend: Kind,
    /// The disk, if not the deployment's own.
    pub disk: Option<PathBuf>,
    /// Make an empty disk where there is none, though the deployment has had one.
    pub new_disk: bool,
    /// The operator's socket, if not the default one.
    pub console: Option<PathBuf>,
    /// End when standard input has ended and the last answer has come.
    pub exit_on_eof: bool,
}

/// Runs the appliance until the operator leaves, a signal ends it, or (an error) it ends by itself. Returns whether
/// everything of a script was carried out, if its end was to be the end.
pub fn run(options: &Options) -> Result<bool> {
    // The manifests' folder, the disk, the socket: nothing of it is anybody else's.
    keep_to_owner();
    let deployment = Deployment::load(&options.deployment)?;
    let system = totebox_deployment::file(&options.deployment).with_file_name(SYSTEM_FILE);
    check_fresh(&deployment, &system)?;
    let directory = deployment.directory.join("target");
    let manifests = directory.join("run");
    secret_directory(&manifests)?;

    // First of all: another run of this deployment is noticed before anything is touched.
    let socket = ConsoleSocket::open(&deployment, options.console.as_deref())?;
    deployment.write_manifests(&manifests)?;
    let path = options.disk.clone().unwrap_or_else(|| directory.join("disk.img"));
    let disk = disk::open(&deployment, &path, options.new_disk)?;

    let signals = bridge::signals()?;
    let backend = match &options.backend {
        Kind::Hosted => {
            // It takes the lock itself.
            drop(disk);
            Backend::hosted(&system, &manifests, &path)?
        }
        Kind::Qemu { config } => {
            let image = directory.join("sel4").join(config).join("totebox.img");
            Backend::qemu(&deployment, &image, disk.leave_to_qemu()?)?
        }
    };
    let terminal = RawTerminal::enter()?;
    let leave = if terminal.is_some() { "; Ctrl-] leaves" } else { "" };
    errln!("console at unix:{}{leave}", socket.path().shown());
    let (input, output, notices) = (stdin(), stdout(), stderr());
    let [own_output, own_notices] = [output.as_fd(), notices.as_fd()].map(without_waiting);
    let ends = Ends {
        line: backend.line(),
        listener: &socket.listener,
        signals: &signals,
        input: input.as_fd(),
        output: own_output.as_ref().map_or(output.as_fd(), AsFd::as_fd),
        notices: own_notices.as_ref().map_or(notices.as_fd(), AsFd::as_fd),
        terminal: terminal.is_some(),
        exit_on_eof: options.exit_on_eof,
        timeout: TIMEOUT,
    };
    let scripted = options.exit_on_eof && !ends.terminal;
    let mut bridge = Bridge::new(ends);
    let end = bridge.carry()?;
    // Without a script the line is there for clients, whoever sees what is shown here.
    let lost = bridge.output_lost().filter(|_| scripted);
    drop(terminal);
    // Said only when the appliance is off: standard error may be a terminal that takes nothing.
    let unsigned = if end == End::BackendGone { Vec::new() } else { sign_checkpoints(&backend) };
    let program = backend.program();
    let status = backend.stop()?;
    unsigned.iter().for_each(|line| errln!("{line}"));
    if end == End::Left {
        // QEMU has a word of its own for its end, and it looks like a mishap.
        errln!("the appliance was stopped");
    }
    if let Some(error) = lost {
        return Err(OutputError(error).into());
    }
    match end {
        End::Left if scripted => bail!("a signal came before the script on standard input was carried out"),
        End::Left => Ok(true),
        End::InputDone { refused } => Ok(!refused),
        End::BackendGone => bail!(
            "the appliance has ended by itself ({status}): {program} is gone. Every document that had a receipt is on the \
             disk; start it again with totebox run"
        ),
    }
}

/// Has every archive sign a checkpoint before the appliance stops. What is not signed within [`SIGN_TIMEOUT`] is
/// signed soon after the next start; returns what there is to say of that.
fn sign_checkpoints(backend: &Backend) -> Vec<String> {
    let mut unsigned = Vec::new();
    let deadline = Instant::now() + SIGN_TIMEOUT;
    let signed = (|| {
        let line = backend.line().try_clone()?;
        line.set_nonblocking(false)?;
        let timing = Timing { quiet: Duration::from_secs(1), timeout: SIGN_TIMEOUT / 2 };
        let mut session = Session::open(Connection::over(line)?, timing, Box::new(|_| {}))?;
        sign_before_stop(&mut session, deadline, |archive, why| {
            unsigned.push(format!("{archive} did not sign a checkpoint before the stop: {why}"));
        })
    })();
    if let Err(error) = signed {
        unsigned.push(format!("no checkpoints were signed before the stop: {error:#}"));
    }
    unsigned
}

fn check_fresh(deployment: &Deployment, system: &Path) -> Result<()> {
    let found = text(system, SYSTEM_MAX)
        .with_context(|| format!("cannot read {}; `totebox system` writes it", system.shown()))?;
    if found != deployment.system_xml() {
        bail!("{} is not what totebox.toml says; `totebox system` writes it anew", system.shown());
    }
    Ok(())
}
