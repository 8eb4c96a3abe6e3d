//! The backends that are processes: hosted, and seL4 in QEMU. Both serve the operator's line on a Unix
//! socket themselves.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::{Appliance, PATIENCE, Site, workspace};

/// A process with all its children, killed as one when this value goes.
struct Group {
    child: Child,
}

impl Group {
    fn spawn(command: &mut Command, output: &Path) -> Group {
        let log = std::fs::File::create(output).expect("the log can be written");
        let copy = log.try_clone().expect("a descriptor can be copied");
        command.stdin(Stdio::null()).stdout(log).stderr(copy).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Group { child }
    }

    /// Kills every process of the group at once, as a power cut would.
    fn kill(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        // It may be gone already; then there is nothing to kill.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
        // Each dies in its own time; until the last one has, it may hold the disk.
        let started = Instant::now();
        while rustix::process::test_kill_process_group(group).is_ok() {
            assert!(started.elapsed() < PATIENCE, "a killed process lives on");
            std::thread::yield_now();
        }
    }

    /// Waits until something listens at `socket`.
    fn wait_for(&mut self, socket: &Path, output: &Path) {
        let started = Instant::now();
        while UnixStream::connect(socket).is_err() {
            let ended = self.child.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && started.elapsed() < PATIENCE,
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
    /// Why this machine cannot run the tests on seL4; `None` if it can.
    pub fn missing() -> Option<String> {
        let tool = sdk().join("bin/microkit");
        if !tool.is_file() {
            return Some(format!("no Microkit SDK at {} (how to get one: docs/builder.md)", sdk().display()));
        }
        let elf = programs("debug").join("archive.elf");
        if !elf.is_file() {
            return Some("the program images are not built (`make test` builds them)".into());
        }
        let qemu = Command::new("qemu-system-aarch64").arg("--version").output();
        qemu.is_err().then(|| "no qemu-system-aarch64 (Debian: qemu-system-arm ipxe-qemu)".into())
    }

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
        let site = &self.machine.site;
        let mut command = Command::new(sdk().join("bin/microkit"));
        command.arg(&site.system).arg("--search-path").arg(programs(config)).arg(&site.manifests);
        command.args(["--board", &site.deployment.board.name, "--config", config]);
        command.arg("-o").arg(&self.image).arg("-r").arg(site.folder.path().join("report.txt"));
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Bytes of the image.
    pub fn image_size(&self) -> u64 {
        std::fs::metadata(&self.image).map_or(0, |metadata| metadata.len())
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

/// The Microkit SDK.
fn sdk() -> PathBuf {
    let default = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join("microkit-sdk-2.3.0");
    std::env::var_os("MICROKIT_SDK").filter(|path| !path.is_empty()).map_or_else(default, PathBuf::from)
}

/// Where `make image` leaves the program images of a configuration.
fn programs(config: &str) -> PathBuf {
    workspace().join("target/sel4").join(config).join("elf")
}
