//! Files that are not what is meant. Every command that is given a name to read ends with a word, and neither waits nor
//! reads on for ever: a FIFO that nobody writes to waits, and `/dev/zero` never ends. What is read whole is read in a time
//! and a memory in proportion to its length, whatever is in it.

#![allow(clippy::disallowed_methods, reason = "the paths are the test's own")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use common::with_archives;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use totebox_deployment::Deployment;

/// Far beyond what any of the commands takes.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What a command may have of memory, in KiB: many times what it needs, and less than it could read of `/dev/zero`.
const MEMORY_MAX: &str = "4000000";

/// Command lines in which ODD is what is no file. `put` and `check-proof --content` take any document, of which a pipe may be one.
const COMMANDS: &[&str] = &[
    "check ODD",
    "check good.system --waivers ODD",
    "check good.system --capdl ODD",
    "check good.system --image ODD",
    "check good.system --deployment ODD",
    "diff ODD good.system",
    "diff good.system ODD",
    "graph ODD -o out.svg",
    "report ODD -o out.html",
    "report good.system -o out.html --waivers ODD",
    "report good.system -o out.html --image ODD",
    "harden ODD --system good.system",
    "harden ODD.json --system good.system",
    "harden good.json --system ODD",
    "keys ODD",
    "system ODD",
    "provision x --deployment ODD",
    "provision x --deployment house --disk ODD",
    "disk create new.img --deployment ODD",
    "disk create ODD --deployment house",
    "disk create ODD --deployment house --force",
    "disk ls ODD",
    "disk ls disk.img --deployment ODD",
    "disk verify ODD",
    "disk verify disk.img --key ODD",
    "disk verify disk.img --checkpoint ODD",
    "disk extract ODD out",
    "disk checkpoint ODD a0",
    "disk prove ODD a0 --record 0",
    "disk prove disk.img a0 --from ODD",
    "disk prove disk.img a0 --record 0 --to ODD",
    "disk tiles ODD a0 -o tiles",
    "disk repair ODD",
    "disk repair disk.img --deployment ODD",
    "check-proof ODD --key house/keys/a0.vkey",
    "check-proof good.json --key ODD",
    "run --deployment ODD",
    "status --deployment ODD",
    // Files that are found, and not named.
    "system board-is-odd",
    "keys key-is-odd",
    "run --deployment system-is-odd",
    "system memory-is-odd",
];

#[test]
fn a_fifo_holds_no_command_up_and_a_device_fills_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let made = |name: &str| {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("totebox.toml"), with_archives(2)).unwrap();
        let deployment = Deployment::load(&at(name)).unwrap();
        deployment.make_keys().unwrap();
        fs::write(at(name).join("system.xml"), deployment.system_xml()).unwrap();
        deployment
    };
    made("house").create_disk(&at("disk.img")).unwrap();
    let odd_in = [
        "board-is-odd/b.toml",
        "key-is-odd/keys/a0.key",
        "system-is-odd/system.xml",
        "memory-is-odd/state/disk.toml",
    ];
    for file in odd_in {
        made(file.split_once('/').unwrap().0);
        fs::create_dir_all(at(file).parent().unwrap()).unwrap();
    }
    let text = with_archives(2).replace("\"qemu_virt_aarch64\"", "\"./b.toml\"");
    fs::write(at("board-is-odd/totebox.toml"), text).unwrap();
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/built");
    fs::copy(built.join("one-of-each.system"), at("good.system")).unwrap();
    fs::copy(built.join("one-of-each.json"), at("good.json")).unwrap();

    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    std::os::unix::fs::symlink("/dev/zero", at("zero")).unwrap();
    for odd in ["fifo", "zero"] {
        std::os::unix::fs::symlink(odd, at(&format!("{odd}.json"))).unwrap();
        for file in odd_in {
            let _ = fs::remove_file(at(file));
            std::os::unix::fs::symlink(at(odd), at(file)).unwrap();
        }
        for command in COMMANDS {
            let line = command.replace("ODD", odd);
            let (status, said) = run(directory.path(), &line);
            assert_eq!(status.code(), Some(2), "{line}: {said}");
            assert!(said.starts_with("totebox: "), "{line}: {said}");
        }
    }
}

/// Files of about a megabyte that are mistakes from the first byte to the last, or the same thing over and over. Where each
/// is held against all the others, or counted from the start of the file, that takes hours, or all memory.
#[test]
fn a_file_full_of_mistakes_is_read_in_no_more_time_than_its_length_takes() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, head: &str, piece: &dyn Fn(usize) -> String, tail: &str| {
        let mut text = head.to_owned();
        for number in 0.. {
            let piece = piece(number);
            if text.len() + piece.len() + tail.len() > 1_000_000 {
                break;
            }
            text += &piece;
        }
        fs::write(directory.path().join(name), text + tail).unwrap();
        name.to_owned()
    };
    let domain = "<protection_domain name=\"a\"><program_image path=\"a.elf\"/>";
    let in_domain = format!("<system><memory_region name=\"r\" size=\"0x1000\"/>{domain}");
    let [system, end] = ["</system>", "</protection_domain></system>"];
    let descriptions = [
        file("elements", "<system>", &|_| "<u/>".into(), system),
        file("regions", "<system>", &|_| "<memory_region name=\"r\" size=\"1\"/>".into(), system),
        file(
            "aliases",
            "<system>",
            &|n| format!("<memory_region name=\"r{n}\" size=\"0xfffffff\" phys_addr=\"{n}\"/>"),
            system,
        ),
        file(
            "domains",
            "<system>",
            &|n| domain.replace("\"a\"", &format!("\"{n}\"")) + "</protection_domain>",
            system,
        ),
        file("attributes", "<system><memory_region", &|n| format!(" a{n}=\"\""), "/></system>"),
        file("maps", &in_domain, &|n| format!("<map mr=\"r\" vaddr=\"{n}0000\"/>"), end),
        file("irqs", &in_domain, &|n| format!("<irq irq=\"{n}\" id=\"1\"/>"), end),
    ];
    for description in &descriptions {
        for command in
            ["check DESCRIPTION", "diff DESCRIPTION DESCRIPTION", "graph DESCRIPTION -o out.svg --force"]
        {
            let line = command.replace("DESCRIPTION", description);
            let (status, said) = run(directory.path(), &line);
            assert!(status.code().is_some(), "{line}: {status}, {said}");
        }
    }
    let head = with_archives(1);
    for (name, piece) in [("tables", "\n[[archive]]"), ("doubles", "\na=1"), ("brackets", "[["), ("dots", "a.")] {
        let deployment = file(name, &head, &|_| piece.into(), "");
        let (status, said) = run(directory.path(), &format!("system {deployment}"));
        assert_eq!(status.code(), Some(2), "{name}: {said}");
    }
}

/// Runs a command line to its end, with little memory.
fn run(directory: &Path, line: &str) -> (ExitStatus, String) {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v $0 && exec \"$@\"", MEMORY_MAX, env!("CARGO_BIN_EXE_totebox")]);
    command.args(line.split(' ')).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null());
    let child: Child = command.stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    let output = receiver.recv_timeout(TIMEOUT).unwrap_or_else(|_| {
        let _ = kill_process(pid, Signal::KILL);
        panic!("{line}: it does not end")
    });
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}
