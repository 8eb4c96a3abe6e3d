//! A system for tests: a driver that the test talks to over its line, and children that obey it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use totebox_manifest::{
    Device, DeviceKind, Header, Link, LinkKind, MANIFEST_SIZE, NO_CHANNEL, Region, Role, encode,
};
use zerocopy::FromZeros;

use tempfile::TempDir;

/// How long a test waits for anything.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Where manifests are mapped.
const MANIFEST: u64 = 0x10_0000_0000;
/// Where a child's orders are mapped, one 0x10000 after the other in the driver.
pub const ORDERS: u64 = 0x10_0010_0000;
/// Where a child's answers are mapped.
pub const ANSWERS: u64 = 0x10_0080_0000;
/// The channel of a device's interrupt.
const INTERRUPT: u8 = 60;

/// The files of a system.
pub struct Deployment {
    dir: Arc<TempDir>,
}

impl Deployment {
    /// A driver and `children` children, which are its children in the system too and have a disk.
    pub fn new(children: u8) -> Deployment {
        let deployment = Deployment { dir: tempfile::tempdir().unwrap().into() };
        let [mut regions, mut maps, mut pds, mut channels] = [const { String::new() }; 4];
        let mut driver = Vec::new();
        for n in 0..children {
            let (orders, answers) = (region(ORDERS, n), region(ANSWERS, n));
            regions += &format!(
                r#"<memory_region name="orders-{n}" size="0x1000"/>
                <memory_region name="answers-{n}" size="0x1000"/>
                <memory_region name="child-{n}-manifest" size="0x4000" prefill_path="child-{n}.manifest"/>"#
            );
            maps += &format!(
                r#"<map mr="orders-{n}" vaddr="{:#x}" perms="rw"/><map mr="answers-{n}" vaddr="{:#x}" perms="r"/>"#,
                orders.vaddr, answers.vaddr,
            );
            pds += &format!(
                r#"<protection_domain name="child-{n}" id="{n}" priority="100">
                    <program_image path="child.elf"/>
                    <map mr="child-{n}-manifest" vaddr="{MANIFEST:#x}" perms="r" setvar_vaddr="manifest_vaddr"/>
                    <map mr="orders-{n}" vaddr="{:#x}" perms="r"/>
                    <map mr="answers-{n}" vaddr="{:#x}" perms="rw"/>
                </protection_domain>"#,
                orders.vaddr, answers.vaddr,
            );
            channels += &format!(r#"<channel><end pd="driver" id="{n}"/><end pd="child-{n}" id="0"/></channel>"#);
            driver.push(link(Role::Archive, n, n, n, orders, answers));
            let to_driver = link(Role::Orchestrator, 0, 0, NO_CHANNEL, answers, orders);
            let disk = [device(DeviceKind::Disk)];
            deployment.write(&format!("child-{n}.manifest"), &manifest(Role::Archive, &[to_driver], &disk));
        }
        let uart = [device(DeviceKind::Uart)];
        deployment.write("driver.manifest", &manifest(Role::Orchestrator, &driver, &uart));
        let xml = format!(
            r#"<system>{regions}
            <memory_region name="driver-manifest" size="0x4000" prefill_path="driver.manifest"/>
            <protection_domain name="driver" priority="99">
                <program_image path="driver.elf"/>
                <map mr="driver-manifest" vaddr="{MANIFEST:#x}" perms="r" setvar_vaddr="manifest_vaddr"/>
                {maps}{pds}
            </protection_domain>{channels}</system>"#
        );
        deployment.write("system.xml", xml.as_bytes());
        deployment
    }

    /// A file of the deployment.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the deployment.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Replaces text in system.xml, where it must stand once.
    pub fn edit(&self, old: &str, new: &str) {
        let xml = fs::read_to_string(self.path("system.xml")).unwrap();
        assert_eq!(xml.matches(old).count(), 1, "{old}");
        self.write("system.xml", xml.replace(old, new).as_bytes());
    }

    /// The backend on this deployment, its disk in the file `disk.img`.
    pub fn command(&self, console: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(super::BACKEND, "1").arg(self.path("system.xml"));
        command.arg("--manifests").arg(self.dir.path());
        command.arg("--disk").arg(self.path("disk.img"));
        command.args(["--console", console]);
        command
    }

    /// Starts the system, with the test on the driver's line.
    pub fn start(&self) -> Running {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let backend = self.command("stdin").stdin(Stdio::from(OwnedFd::from(theirs))).spawn().unwrap();
        let mut running = Running { backend, line: None, _files: self.dir.clone() };
        running.connect(ours);
        assert_eq!(running.answer(), "started");
        running
    }

    /// Starts the system with a line that listens, and waits until it does.
    pub fn start_listening(&self) -> Running {
        let mut command = self.command(&format!("unix:{}", self.path("console").display()));
        let mut backend = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(backend.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(said.next().unwrap(), "hosted backend: for development; not a security boundary");
        assert!(said.any(|line| line.starts_with("the operator's line is unix:")));
        Running { backend, line: None, _files: self.dir.clone() }
    }

    /// Runs the backend on this deployment, which must refuse to start; returns what it said.
    pub fn refused(&self) -> String {
        let (_ours, theirs) = UnixStream::pair().unwrap();
        let output = self.command("stdin").stdin(Stdio::from(OwnedFd::from(theirs))).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        said
    }
}

/// A system under test.
pub struct Running {
    /// The supervisor.
    pub backend: Child,
    line: Option<BufReader<UnixStream>>,
    _files: Arc<TempDir>,
}

impl Running {
    /// Takes a line to the driver.
    pub fn connect(&mut self, line: UnixStream) {
        line.set_read_timeout(Some(TIMEOUT)).unwrap();
        self.line = Some(BufReader::new(line));
    }

    /// Gives the driver a command and returns the line it answers.
    pub fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    /// Gives the driver a command.
    pub fn tell(&mut self, command: &str) {
        let line = self.line.as_mut().unwrap().get_mut();
        line.write_all(command.as_bytes()).unwrap();
    }

    /// The next line of the driver.
    pub fn answer(&mut self) -> String {
        let mut text = String::new();
        self.line.as_mut().unwrap().read_line(&mut text).expect("the driver does not answer");
        text.trim_end().to_owned()
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.line = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hang_up();
        let _ = self.backend.kill();
        let _ = self.backend.wait();
    }
}

fn region(base: u64, n: u8) -> Region {
    Region { vaddr: (base + u64::from(n) * 0x1_0000).into(), size: 0x1000.into() }
}

fn link(peer: Role, peer_index: u8, channel: u8, child: u8, mine: Region, theirs: Region) -> Link {
    let (peer, kind) = (peer as u8, LinkKind::Page as u8);
    Link { peer, peer_index, channel, child, kind, reserved: [0; 3], mine, theirs }
}

fn device(kind: DeviceKind) -> Device {
    Device { kind: kind as u8, irq_channel: INTERRUPT, driver: 0, reserved: [0; 5], region: Region::default() }
}

fn manifest(role: Role, links: &[Link], devices: &[Device]) -> Vec<u8> {
    let mut header = Header::new_zeroed();
    (header.magic, header.role) = (Header::MAGIC, role as u8);
    let mut bytes = Vec::new();
    encode(&header, links, &[], devices, |part| bytes.extend_from_slice(part));
    assert!(bytes.len() <= MANIFEST_SIZE);
    bytes
}
