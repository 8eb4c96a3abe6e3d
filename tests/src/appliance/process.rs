//! The backends that are processes: hosted, and seL4 in QEMU. Both serve the operator's line on a Unix
//! socket themselves.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::{Appliance, Site, TIMEOUT, workspace};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process_group, set_child_subreaper, waitpgid};

use crate::image;

/// A process with all its children, killed as one when this value goes.
struct Group {
    child: Child,
}

impl Group {
    fn spawn(command: &mut Command, output: &Path) -> Group {
        let log = std::fs::File::create(output).expect("the log can be written");
        let copy = log.try_clone().expect("a descriptor can be copied");
        command.stdin(Stdio::null()).stdout(log).stderr(copy).process_group(0);
        // What outlives its leader becomes this process's child, which can wait for its end.
        set_child_subreaper(Some(getpid())).expect("Linux lets a process be that");
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Group { child }
    }

    /// Kills every process of the group at once, as a power cut would.
    fn kill(&mut self) {
        let group = Pid::from_child(&self.child);
        // It may be gone already; then there is nothing to kill.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
        // Each dies in its own time; until the last one has, it may hold the disk.
        while waitpgid(group, WaitOptions::empty()).is_ok() {}
    }

    /// Waits until something listens at `socket`.
    fn wait_for(&mut self, socket: &Path, output: &Path) {
        let started = Instant::now();
        while UnixStream::connect(socket).is_err() {
            let ended = self.child.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && started.elapsed() < TIMEOUT,
                "the appliance did not start ({ended:?}):\n{}",
                std::fs::read_to_string(output).unwrap_or_default()
            );
            std::thread::yield_now();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the two have in common.
struct Machine {
    site: Site,
    running: Option<Group>,
}

impl Machine {
    fn start(&mut self, command: &mut Command) {
        assert!(self.running.is_none(), "it runs already");
        let _ = std::fs::remove_file(&self.site.socket);
        let log = self.site.folder.path().join("log");
        let mut group = Group::spawn(command, &log);
        group.wait_for(&self.site.socket, &log);
        self.running = Some(group);
    }
}

/// The hosted backend.
pub struct Hosted {
    machine: Machine,
    program: PathBuf,
}

impl Hosted {
    /// The appliance of `site` as the product runs it.
    pub fn new(site: Site) -> Hosted {
        Hosted::with_program(site, workspace().join("target/release/totebox-hosted"))
    }

    /// The appliance of `site` with another backend program: one that knows hostile domains too.
    pub fn with_program(site: Site, program: PathBuf) -> Hosted {
        Hosted { machine: Machine { site, running: None }, program }
    }
}

impl Hosted {
    /// The process of a domain of the appliance that runs.
    pub fn process(&self, domain: &str) -> Pid {
        let group = self.machine.running.as_ref().expect("it runs").child.id().to_string();
        let is_it = |process: &str| {
            let read = |file| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
            // The name may have blanks; behind it stand the state, the parent and the group.
            let stat = read("stat");
            let of_group = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(2)) == Some(&*group);
            of_group && read("cmdline").split('\0').skip(1).take(2).eq(["--pd", domain])
        };
        let processes = std::fs::read_dir("/proc").expect("Linux has it").flatten();
        let mut names = processes.filter_map(|entry| entry.file_name().into_string().ok());
        let found = names.find(|name| is_it(name)).unwrap_or_else(|| panic!("{domain} does not run"));
        Pid::from_raw(found.parse().expect("a number")).expect("not zero")
    }
}

impl Appliance for Hosted {
    fn backend(&self) -> &'static str {
        "hosted"
    }

    fn site(&self) -> &Site {
        &self.machine.site
    }

    fn start(&mut self) {
        let site = &self.machine.site;
        let mut command = Command::new(&self.program);
        command.arg(&site.system).arg("--manifests").arg(&site.manifests).arg("--disk").arg(&site.disk);
        command.arg("--console").arg(format!("unix:{}", site.socket.display()));
        self.machine.start(&mut command);
    }

    fn power_cut(&mut self) {
        self.machine.running = None;
    }
}

/// seL4 in QEMU.
pub struct Qemu {
    machine: Machine,
    image: PathBuf,
    backend: &'static str,
}

impl Qemu {
    /// The appliance of `site`, its image put together for the Microkit configuration `config`.
    pub fn new(site: Site, config: &'static str) -> Qemu {
        let image = site.folder.path().join("totebox.img");
        let mut qemu = Qemu {
            machine: Machine { site, running: None },
            image,
            backend: if config == "debug" { "qemu-debug" } else { "qemu-release" },
        };
        qemu.put_together(config);
        qemu
    }

    /// Makes the image anew, after the system description was changed.
    pub fn put_together(&mut self, config: &str) {
        let Site { system, manifests, deployment, .. } = &self.machine.site;
        image::put_together(system, manifests, &deployment.board.microkit, config, &self.image);
        image::harden(system, &self.image);
        image::check(system, &self.image);
    }

    /// The image.
    pub fn image(&self) -> &Path {
        &self.image
    }
}

impl Appliance for Qemu {
    fn backend(&self) -> &'static str {
        self.backend
    }

    fn site(&self) -> &Site {
        &self.machine.site
    }

    fn start(&mut self) {
        let site = &self.machine.site;
        let serial = format!("unix:{},server=on,wait=off", site.socket.display());
        let qemu = site.deployment.board.qemu.as_ref().expect("the board can be emulated");
        let words = qemu.command(&self.image, &site.disk, &serial);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        self.machine.start(&mut command);
    }

    fn power_cut(&mut self) {
        self.machine.running = None;
    }
}
