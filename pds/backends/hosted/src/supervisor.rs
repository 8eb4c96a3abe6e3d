//! The supervisor: makes the regions and channels of a plan, starts a process for each protection domain
//! (PD), hands each what it may have and nothing else, and watches over them.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::retry_on_intr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, Resource, Signal, getrlimit, pidfd_open, pidfd_send_signal, setrlimit};
use totebox_domain::Fault;
use totebox_manifest::{DeviceKind, Manifest};

use crate::PD_ARGUMENT;
use crate::control::{Access, Grant, Report, grant, next_report, try_report};
use crate::fault;
use crate::plan::{Mapped, Plan};
use crate::region::Region;

/// What stands outside the system description.
#[derive(Debug)]
pub struct Outside {
    /// The disk image, and whether it takes no writes; `None` if there is none.
    pub disk: Option<(File, bool)>,
    /// The operator's line, and whether it is a socket to accept peers from.
    pub line: (OwnedFd, bool),
}

#[derive(Debug)]
struct Process {
    name: String,
    parent: Option<(usize, u8)>,
    child: Child,
    pidfd: OwnedFd,
    control: OwnedFd,
    /// The fault it said was killing it; of which kind it is, its end tells.
    fault: Fault,
    alive: bool,
}

impl Process {
    fn grant(&self, granted: Grant, descriptors: &[BorrowedFd]) -> Result<()> {
        grant(&self.control, granted, descriptors).with_context(|| format!("'{}' did not start", self.name))
    }
}

#[derive(Debug)]
pub struct Supervisor {
    processes: Vec<Process>,
    /// The line, if nobody else could come to it once its peer is gone.
    line: Option<OwnedFd>,
}

impl Supervisor {
    /// Starts everything. `manifests` is the folder of the files regions are filled with.
    pub fn start(plan: &Plan, manifests: &Path, outside: Outside) -> Result<Supervisor> {
        raise_descriptor_limit()?;
        let processes = plan.pds.iter().map(spawn).collect::<Result<Vec<_>>>()?;
        let mut supervisor = Supervisor { processes, line: None };
        supervisor.grant_regions(plan, manifests)?;
        supervisor.grant_channels(plan)?;
        supervisor.grant_devices(plan, manifests, outside)?;
        for (process, pd) in supervisor.processes.iter().zip(&plan.pds) {
            let start = Grant::Start { manifest: pd.manifest_vaddr, size: pd.manifest_size };
            process.grant(start, &[])?;
        }
        Ok(supervisor)
    }

    /// Writers map first, then the memory is sealed, then readers map: see [`Region`].
    fn grant_regions(&self, plan: &Plan, manifests: &Path) -> Result<()> {
        let mut regions = Vec::new();
        for region in &plan.regions {
            let content = match &region.prefill {
                Some(file) => read(&manifests.join(file))?,
                None => Vec::new(),
            };
            let fits = content.len() as u64 <= region.size;
            ensure!(fits, "{:?} is larger than the region '{}' it fills", region.prefill, region.name);
            let memory = Region::new(&region.name, region.size, &content)
                .with_context(|| format!("cannot make the region '{}'", region.name))?;
            if let Some(writer) = region.writer {
                self.hand_out(writer, region.size, Access::Write, memory.writable())?;
            }
            regions.push(memory);
        }
        self.checkpoint()?;
        for (region, memory) in plan.regions.iter().zip(regions) {
            let memory = memory
                .seal(region.writer.is_some())
                .with_context(|| format!("cannot seal the region '{}'", region.name))?;
            let access = if region.writer.is_some() { Access::Read } else { Access::Constant };
            for &reader in &region.readers {
                self.hand_out(reader, region.size, access, memory.as_fd())?;
            }
        }
        Ok(())
    }

    fn hand_out(&self, to: Mapped, size: u64, access: Access, memory: BorrowedFd) -> Result<()> {
        self.processes[to.pd].grant(Grant::Region { vaddr: to.vaddr, size, access }, &[memory])
    }

    /// Waits until every PD has done everything it was granted.
    fn checkpoint(&self) -> Result<()> {
        for process in &self.processes {
            process.grant(Grant::Checkpoint, &[])?;
        }
        for process in &self.processes {
            let report = next_report(&process.control)?;
            ensure!(report == Some(Report::Reached), "'{}' did not start", process.name);
        }
        Ok(())
    }

    fn grant_channels(&self, plan: &Plan) -> Result<()> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        for [a, b] in &plan.channels {
            let (to_a, to_b) = (eventfd(0, flags)?, eventfd(0, flags)?);
            for (end, arriving, peer) in [(a, &to_a, &to_b), (b, &to_b, &to_a)] {
                let descriptors = [arriving.as_fd(), peer.as_fd()];
                let granted = if end.notifies { &descriptors[..] } else { &descriptors[..1] };
                self.processes[end.pd].grant(Grant::Channel { id: end.id }, granted)?;
            }
        }
        Ok(())
    }

    /// Hands disk and line to the PDs whose manifests have the devices.
    fn grant_devices(&mut self, plan: &Plan, manifests: &Path, outside: Outside) -> Result<()> {
        for (process, pd) in self.processes.iter().zip(&plan.pds) {
            let path = manifests.join(&pd.manifest_file);
            let bytes = read(&path)?;
            let manifest = Manifest::parse(&bytes)
                .map_err(|error| anyhow!("{} is not a manifest ({error:?})", path.display()))?;
            if let (Some(_), Some((disk, read_only))) = (manifest.device(DeviceKind::Disk), &outside.disk) {
                process.grant(Grant::Disk { read_only: *read_only }, &[disk.as_fd()])?;
            }
            if manifest.device(DeviceKind::Uart).is_some() {
                let (line, listening) = &outside.line;
                process.grant(Grant::Line { listening: *listening }, &[line.as_fd()])?;
            }
        }
        let (line, listening) = outside.line;
        self.line = (!listening).then_some(line);
        Ok(())
    }

    /// Stops and resumes PDs for their parents and tells parents of faults, until the line is gone for good.
    pub fn watch(&mut self) -> Result<()> {
        loop {
            let mut fds = Vec::new();
            for process in self.processes.iter().filter(|process| process.alive) {
                fds.push(PollFd::new(&process.control, PollFlags::IN));
                fds.push(PollFd::new(&process.pidfd, PollFlags::IN));
            }
            ensure!(!fds.is_empty(), "every domain has stopped");
            if let Some(line) = &self.line {
                fds.push(PollFd::new(line, PollFlags::empty()));
            }
            retry_on_intr(|| poll(&mut fds, None))?;
            let line_gone = self.line.is_some() && fds.last().is_some_and(|fd| !fd.revents().is_empty());
            if line_gone {
                return Ok(());
            }
            for number in 0..self.processes.len() {
                self.attend_to(number)?;
            }
        }
    }

    /// Takes what a PD has reported, and notices its end.
    fn attend_to(&mut self, number: usize) -> Result<()> {
        if !self.processes[number].alive {
            return Ok(());
        }
        // The end first: what a process said before it died is then all there.
        let ended = self.processes[number].child.try_wait()?;
        while let Some(report) = try_report(&self.processes[number].control) {
            match report {
                Report::Stop { child } => self.signal(number, child, Signal::STOP),
                Report::Resume { child } => self.signal(number, child, Signal::CONT),
                Report::Faulted { address, instruction, status } => {
                    self.processes[number].fault = Fault { address, instruction, status, ..fault::NONE };
                }
                Report::Reached => bail!("'{}' reports what nobody asked for", self.processes[number].name),
            }
        }
        if let Some(status) = ended {
            self.ended(number, status);
        }
        Ok(())
    }

    /// Signals a child of a PD; what is not its child, or has ended, is left alone.
    fn signal(&self, parent: usize, child: u8, signal: Signal) {
        let child = self.processes.iter().find(|process| process.parent == Some((parent, child)));
        if let Some(process) = child.filter(|process| process.alive) {
            // Fails only if the process has just ended.
            let _ = pidfd_send_signal(&process.pidfd, signal);
        }
    }

    /// A PD has ended: its parent is told, or, if it has none, the operator.
    fn ended(&mut self, number: usize, status: ExitStatus) {
        self.processes[number].alive = false;
        let process = &self.processes[number];
        let fault = Fault { kind: fault::kind(status), ..process.fault };
        let Fault { address, instruction, .. } = fault;
        eprintln!("{} has stopped: {status}, address {address:#x}, instruction {instruction:#x}", process.name);
        let parent = process.parent.filter(|(parent, _)| self.processes[*parent].alive);
        let Some((parent, child)) = parent else {
            eprintln!("nobody can take its place: the system is degraded until the next start");
            return;
        };
        // Fails only if the parent is ending too, which shows next.
        let _ = self.processes[parent].grant(Grant::Fault { child, fault }, &[]);
    }
}

fn spawn(pd: &crate::plan::Pd) -> Result<Process> {
    let (control, theirs) = socket_pair()?;
    let child = Command::new("/proc/self/exe")
        .arg0("totebox-hosted")
        .args([PD_ARGUMENT, &pd.name, &pd.program])
        .stdin(Stdio::from(theirs))
        .spawn()
        .with_context(|| format!("cannot start a process for '{}'", pd.name))?;
    let pid = Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let (name, parent) = (pd.name.clone(), pd.parent);
    Ok(Process { name, parent, child, pidfd, control, fault: fault::NONE, alive: true })
}

fn socket_pair() -> Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}; `totebox run` writes it", path.display()))
}

/// A large system has more regions than a process may have open by default.
fn raise_descriptor_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
