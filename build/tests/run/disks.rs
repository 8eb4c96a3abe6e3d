//! The disk of a run: one program at a time has it, whichever, and none is replaced by an empty one in silence.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::common;
use crate::site::{Running, Site, TIMEOUT};

/// Why QEMU cannot be tried here; `None` if it can.
pub fn qemu_missing() -> Option<&'static str> {
    let found = |program| Command::new(program).arg("--version").output().is_ok();
    if !found("qemu-storage-daemon") {
        return Some("no qemu-storage-daemon (Debian: qemu-utils)");
    }
    (!found("qemu-system-aarch64")).then_some("no qemu-system-aarch64 (Debian: qemu-system-arm)")
}

/// Why no block device can be had here; `None` if one can.
pub fn devices_missing() -> Option<&'static str> {
    let made = Command::new("losetup").arg("--find").output().is_ok_and(|output| output.status.success());
    (!made || !rustix::process::geteuid().is_root()).then_some("no loop devices (they need root and losetup)")
}

/// Every program that writes a disk, tried on one that somebody else has.
struct Takers<'a> {
    site: &'a Site,
    disk: &'a Path,
}

impl Takers<'_> {
    /// Each must refuse, and say that the disk is in use, by `holder`.
    fn are_refused(&self, holder: &str) {
        let disk = self.disk;
        let totebox = || Command::new(self.site.path("bin/totebox"));
        let run = |backend: &str| {
            let mut command = self.site.command_at("other");
            command.args(["--backend", backend, "--disk"]).arg(disk);
            command
        };
        let (deployment, manifests) = (self.site.path("deployment"), self.site.path("deployment/target/run"));
        let mut create = totebox();
        create.args(["disk", "create", "--force"]).arg(disk).arg("--deployment").arg(&deployment);
        let mut provision = totebox();
        provision.args(["provision", "minutes", "--size", "1 MiB", "--disk"]).arg(disk);
        provision.arg("--deployment").arg(&deployment);
        let mut hosted = Command::new(self.site.path("bin/totebox-hosted"));
        hosted.arg(self.site.path("deployment/system.xml")).arg("--manifests").arg(manifests);
        hosted.arg("--disk").arg(disk).arg("--console").arg(format!("unix:{}", self.site.path("other").display()));
        for mut command in [create, provision, run("hosted"), run("qemu"), hosted] {
            let said = self.site.refused(&mut command);
            assert!(said.contains("is in use by ") && said.contains(holder), "{command:?}\n{said}");
        }
    }
}

/// QEMU's own program for disks, with this one open for writing.
struct StorageDaemon(Child);

impl StorageDaemon {
    fn command(site: &Site, disk: &Path, driver: &str) -> Command {
        let mut command = Command::new("qemu-storage-daemon");
        let (socket, pid) = (site.path("nbd"), site.path("pid"));
        command.arg("--blockdev").arg(format!("driver={driver},node-name=disk,filename={}", disk.display()));
        command.arg("--nbd-server").arg(format!("addr.type=unix,addr.path={}", socket.display()));
        command.args(["--export", "type=nbd,id=export,node-name=disk,writable=on", "--pidfile"]).arg(pid);
        command.stdin(Stdio::null());
        command
    }

    /// Returns once it has the disk.
    fn start(site: &Site, disk: &Path, driver: &str) -> StorageDaemon {
        let mut child = StorageDaemon::command(site, disk, driver).spawn().unwrap();
        let deadline = Instant::now() + TIMEOUT;
        // It writes this file when everything is set up.
        while fs::read(site.path("pid")).map_or(0, |pid| pid.len()) == 0 {
            assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "it does not start");
            std::thread::yield_now();
        }
        StorageDaemon(child)
    }

    /// It must not get the disk.
    fn is_refused(site: &Site, disk: &Path) {
        let mut child = StorageDaemon::command(site, disk, "file").stderr(Stdio::piped()).spawn().unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            // It would run for ever, and writes this file when it has the disk.
            if fs::read(site.path("pid")).map_or(0, |pid| pid.len()) > 0 {
                drop(StorageDaemon(child));
                panic!("it has the disk");
            }
            std::thread::yield_now();
        };
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(!status.success() && said.contains("Failed to ") && said.contains("lock"), "{said}");
    }
}

impl Drop for StorageDaemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A deployment on a board whose QEMU starts with its processor stopped and answers at the socket `qmp`, and an image.
fn emulated() -> Site {
    let site = Site::new();
    let board = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/boards/qemu_virt_aarch64.toml")).unwrap();
    let qemu = "\"qemu-system-aarch64\",";
    assert!(board.contains(qemu));
    let qmp = site.path("qmp");
    let more = format!("{qemu} \"-S\", \"-qmp\", \"unix:{},server=on,wait=off\",", qmp.display());
    fs::create_dir_all(site.path("deployment/boards")).unwrap();
    fs::write(site.path("deployment/boards/stopped.toml"), board.replace(qemu, &more)).unwrap();
    site.deploy(&common::with_archives(3).replace("qemu_virt_aarch64", "stopped"));
    fs::create_dir_all(site.path("deployment/target/sel4/debug")).unwrap();
    fs::write(site.path("deployment/target/sel4/debug/totebox.img"), "an image").unwrap();
    site
}

fn disk(site: &Site) -> PathBuf {
    site.path("deployment/target/disk.img")
}

/// Runs to the end what is typed at the line of a hosted run.
fn script(site: &Site, script: &str) -> (String, String, Option<i32>) {
    let mut child = site.command().arg("--exit-on-eof").stdin(Stdio::piped()).spawn().unwrap();
    // It may have refused already.
    let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
    let output = child.wait_with_output().unwrap();
    let [out, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (out, said, output.status.code())
}

pub fn a_disk_that_qemu_has_is_nobody_elses() {
    let site = emulated();
    script(&site, "put a0 note\nkept\n.\n");
    let disk = disk(&site);
    let before = fs::read(&disk).unwrap();
    let daemon = StorageDaemon::start(&site, &disk, "file");
    Takers { site: &site, disk: &disk }.are_refused("qemu-storage-daemon");
    // By another name it is the same disk.
    let linked = site.path("linked.img");
    fs::hard_link(&disk, &linked).unwrap();
    Takers { site: &site, disk: &linked }.are_refused("qemu-storage-daemon");
    drop(daemon);
    assert!(fs::read(&disk).unwrap() == before);
    let (shown, said, _) = script(&site, "get a0 1\n");
    assert!(shown.contains("kept\r\n"), "{shown}{said}");
}

pub fn a_disk_that_a_hosted_run_has_is_nobody_elses() {
    let site = emulated();
    let _running = site.start(&mut site.command());
    let mut peer = site.connect();
    peer.wait_for("totebox> ");
    Takers { site: &site, disk: &disk(&site) }.are_refused("totebox-hosted");
    StorageDaemon::is_refused(&site, &disk(&site));
    peer.send("put a0 note\rkept\r.\r");
    peer.wait_for("+receipt");
    // Reading is allowed, and not without a word.
    let list = Command::new(site.path("bin/totebox")).args(["disk", "ls"]).arg(disk(&site)).output().unwrap();
    let said = String::from_utf8(list.stderr).unwrap();
    assert!(said.contains("disk.img is in use by totebox-hosted, process "), "{said}");
    assert!(String::from_utf8(list.stdout).unwrap().contains("a0"));
}

pub fn a_disk_that_a_run_in_qemu_has_is_nobody_elses() {
    let site = emulated();
    let mut running = site.start(site.command().args(["--backend", "qemu"]));
    // From the first moment, whether or not QEMU has locked it by now.
    Takers { site: &site, disk: &disk(&site) }.are_refused("process ");
    await_qemu(&site, &mut running);
    Takers { site: &site, disk: &disk(&site) }.are_refused("process ");
    StorageDaemon::is_refused(&site, &disk(&site));
}

/// Waits until QEMU has set up its machine.
fn await_qemu(site: &Site, running: &mut Running) {
    let deadline = Instant::now() + TIMEOUT;
    let stream = loop {
        match UnixStream::connect(site.path("qmp")) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "QEMU does not start: {error}"),
        }
        assert!(running.child.try_wait().unwrap().is_none(), "QEMU did not start");
        std::thread::yield_now();
    };
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut greeting = String::new();
    BufReader::new(stream).read_line(&mut greeting).unwrap();
    assert!(greeting.contains("QMP"), "{greeting}");
}

/// A loop device over an image; detached when this value goes.
struct LoopDevice(PathBuf);

impl LoopDevice {
    fn over(image: &Path) -> LoopDevice {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(image).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        LoopDevice(String::from_utf8(output.stdout).unwrap().trim_end().into())
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

pub fn a_disk_below_loop_devices_on_each_other_is_nobody_elses() {
    let site = emulated();
    script(&site, "put a0 note\nkept\n.\n");
    let lower = LoopDevice::over(&disk(&site));
    let upper = LoopDevice::over(&lower.0);
    let _running = site.start(site.command().arg("--disk").arg(&upper.0));
    site.connect().wait_for("totebox> ");
    Takers { site: &site, disk: &disk(&site) }.are_refused("totebox-hosted");
}

pub fn a_block_device_in_use_is_nobody_elses_through_any_node() {
    let site = emulated();
    // What the other programs are told to use is not the device.
    script(&site, "status\n");
    let image = site.path("device.img");
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    let device = LoopDevice::over(&image);
    let create = |force: &[&str]| {
        let mut command = Command::new(site.path("bin/totebox"));
        command
            .args(["disk", "create"])
            .arg(&device.0)
            .arg("--deployment")
            .arg(site.path("deployment"))
            .args(force);
        command
    };
    let said = site.refused(&mut create(&[]));
    assert!(said.contains("is a block device and holds zeros where a disk begins; --force"), "{said}");
    let small = site.path("small.img");
    fs::write(&small, [vec![0; 1080], b"\x53\xef".to_vec(), vec![1; 1 << 20]].concat()).unwrap();
    let (before, too_small) = (fs::read(&small).unwrap(), LoopDevice::over(&small));
    let mut command = Command::new(site.path("bin/totebox"));
    command.args(["disk", "create", "--deployment"]).arg(site.path("deployment")).arg(&too_small.0);
    let said = site.refused(&mut command);
    assert!(said.contains("is a block device and holds an ext file system; --force"), "{said}");
    let said = site.refused(command.arg("--force"));
    assert!(said.contains("and the deployment's disk needs 64 MiB"), "{said}");
    drop(too_small);
    assert!(fs::read(&small).unwrap() == before, "it was written");

    let output = create(&["--force"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    if qemu_missing().is_none() {
        let _daemon = StorageDaemon::start(&site, &device.0, "host_device");
        Takers { site: &site, disk: &device.0 }.are_refused("qemu-storage-daemon");
    }
    let _running = site.start(site.command().arg("--disk").arg(&device.0));
    let mut peer = site.connect();
    peer.wait_for("totebox> ");
    // The image below it is the same disk.
    Takers { site: &site, disk: &image }.are_refused("totebox-hosted");
    let number = rustix::fs::stat(&device.0).unwrap().st_rdev;
    let other = site.path("node");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &other, rustix::fs::FileType::BlockDevice, mode, number).unwrap();
    for name in [&device.0, &other] {
        let mut command = create(&["--force"]);
        let said = site.refused(if name == &other {
            command = Command::new(site.path("bin/totebox"));
            command.args(["disk", "create", "--force"]).arg(name).arg("--deployment").arg(site.path("deployment"))
        } else {
            &mut command
        });
        assert!(
            said.contains("it is in use: it or a partition on it is mounted, or another program has it"),
            "{said}"
        );
    }
    peer.send("put a0 note\rkept\r.\r");
    peer.wait_for("+receipt");
}

pub fn a_disk_that_is_gone_is_not_replaced_by_an_empty_one() {
    let site = Site::new();
    let (_, said, code) = script(&site, "put a0 note\nkept\n.\n");
    assert!(code == Some(0) && said.contains("made the disk"), "{said}");
    let away = site.path("away.img");
    fs::rename(disk(&site), &away).unwrap();
    let expect_refused = |command: &mut Command, why: &str| {
        let said = site.refused(command);
        assert!(said.contains(why), "{said}");
        assert!(!disk(&site).exists(), "a disk was made");
    };
    let gone = "and this deployment has had one, last at ";
    expect_refused(&mut site.command(), gone);
    expect_refused(site.command().args(["--backend", "qemu"]), gone);
    expect_refused(&mut site.command(), "to begin anew with an empty one, say --new-disk");
    // Nor where it is looked for elsewhere, in a folder that is not mounted.
    fs::create_dir(site.path("mount")).unwrap();
    expect_refused(site.command().arg("--disk").arg(site.path("mount/disk.img")), gone);
    let mut provision = Command::new(site.path("bin/totebox"));
    provision.args(["provision", "more", "--size", "1 MiB", "--deployment"]).arg(site.path("deployment"));
    expect_refused(provision.arg("--disk").arg(disk(&site)), "disk.img is not there: see that it is mounted");
    assert!(!site.path("mount/disk.img").exists());
    // What a build makes anew may go, the memory of the disk does not go with it.
    fs::remove_dir_all(site.path("deployment/target")).unwrap();
    expect_refused(&mut site.command(), gone);

    // It comes back, in another place; then a new one is asked for.
    let _running = site.start(site.command().arg("--disk").arg(&away));
    let mut peer = site.connect();
    peer.wait_for("totebox> ");
    assert!(peer.ask("get a0 1").contains("kept\r\n"));
    drop(peer);
    drop(_running);
    let mut new = site.command();
    let (said, code) = site.start(new.arg("--new-disk").arg("--exit-on-eof")).end();
    assert_eq!(code, Some(0), "{said}");
    assert!(disk(&site).exists());
    let said = site.refused(&mut new);
    assert!(said.contains("exists, and --new-disk replaces nothing"), "{said}");
}

/// Volumes that the deployment has otherwise by now are named before the start, and nothing else is blamed for it.
pub fn a_disk_of_another_layout_is_named_and_nothing_else_is_blamed() {
    let site = Site::new();
    script(&site, "put a0 note\nkept\n.\n");
    let system = |check: &[&str]| {
        let mut command = Command::new(site.path("bin/totebox"));
        let output = command.arg("system").arg(site.path("deployment")).args(check).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let word = "disk.img has these volumes in another place or size than totebox.toml says now, and they stay out of \
                service until it says again what it said: a0, a1, a2\n";
    assert!(!system(&[]).contains("another place or size"));
    site.deploy(&common::with_archives(3).replacen("size = \"1 MiB\"", "size = \"2 MiB\"", 1));
    assert!(system(&[]).contains(word) && system(&["--check"]).contains(word));
    let (shown, said, _) = script(&site, "status\n");
    assert!(said.contains(word), "{said}");
    assert!(shown.contains("*Totebox test: 0 of 3 archives active. Type help.\r\ntotebox> "), "{shown}");
    assert!(shown.contains("NOTHING CAN BE PUT: no archive's volume is in service"), "{shown}");
    assert!(
        shown.contains("a0 is unavailable: another volume or layout is there: totebox.toml was changed"),
        "{shown}"
    );
    assert!(!shown.contains("flush") && !shown.contains("durable"), "{shown}");
    site.deploy(&common::with_archives(3));
    let (shown, said, _) = script(&site, "get a0 1\n");
    assert!(shown.contains("kept\r\n"), "{shown}{said}");
}

pub fn a_disk_that_is_not_the_deployments_is_not_started_on() {
    let site = Site::new();
    script(&site, "put a0 note\nkept\n.\n");
    let whole = fs::read(disk(&site)).unwrap();
    let expect_refused = |content: &[u8], why: &str| {
        fs::write(disk(&site), content).unwrap();
        let said = site.refused(&mut site.command());
        assert!(said.contains(why), "{said}");
        assert!(fs::read(disk(&site)).unwrap() == content, "it was written");
    };
    expect_refused(b"", "where totebox.toml has it; the disk holds nothing: it is empty; name the right one");
    expect_refused(&vec![0; whole.len()], "the disk holds zeros where a disk begins");
    expect_refused(&whole[..4 << 20], "it ends after 4 MiB, and the volumes reach to 5 MiB: it was cut short");
    let other = common::deployment(&common::with_archives(3).replace("00112233", "99112233"));
    let path = site.path("other.img");
    other.create_disk(&path).unwrap();
    expect_refused(&fs::read(path).unwrap(), "the disk holds volumes of the deployment 99112233");
    fs::write(disk(&site), whole).unwrap();
    let (shown, said, _) = script(&site, "get a0 1\n");
    assert!(shown.contains("kept\r\n"), "{shown}{said}");
}
