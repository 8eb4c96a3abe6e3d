//! The hosted backend as real processes. This program is the tests and, started by one of them, the backend
//! with the tests' own protection domains.

mod deployment;
mod programs;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Instant;

use deployment::{Deployment, ORDERS, TIMEOUT};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// Set where this program is the backend.
const BACKEND: &str = "TOTEBOX_HOSTED_UNDER_TEST";

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("a_reader_cannot_write", a_reader_cannot_write),
    ("a_domain_has_only_its_own_descriptors", a_domain_has_only_its_own_descriptors),
    ("notifications_arrive", notifications_arrive),
    ("a_fault_reaches_the_parent_and_siblings_go_on", a_fault_reaches_the_parent_and_siblings_go_on),
    ("a_stopped_child_waits_until_it_is_resumed", a_stopped_child_waits_until_it_is_resumed),
    ("nothing_survives_the_supervisor", nothing_survives_the_supervisor),
    ("the_system_ends_when_its_line_hangs_up", the_system_ends_when_its_line_hangs_up),
    ("a_listening_line_has_one_peer_at_a_time", a_listening_line_has_one_peer_at_a_time),
    (
        "a_socket_left_behind_is_cleared_away_and_one_in_use_is_not",
        a_socket_left_behind_is_cleared_away_and_one_in_use_is_not,
    ),
    ("the_disk_is_written_and_read", the_disk_is_written_and_read),
    ("a_disk_may_be_missing_or_read_only", a_disk_may_be_missing_or_read_only),
    ("two_runs_do_not_share_a_disk", two_runs_do_not_share_a_disk),
    ("the_lock_lasts_as_long_as_a_domains_descriptor", the_lock_lasts_as_long_as_a_domains_descriptor),
    ("two_writers_of_a_region_are_refused_by_name", two_writers_of_a_region_are_refused_by_name),
    ("what_does_not_fit_together_is_refused", what_does_not_fit_together_is_refused),
];

fn main() -> ExitCode {
    if std::env::var_os(BACKEND).is_some() {
        return totebox_hosted::main(programs::PROGRAMS);
    }
    let run = |test: fn()| {
        move || -> Result<(), Failed> {
            test();
            Ok(())
        }
    };
    let trials = TESTS.iter().map(|&(name, test)| Trial::test(name, run(test))).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn a_reader_cannot_write() {
    let mut system = Deployment::new(1).start();
    assert_eq!(system.ask("b0"), "0 refused: rights true, write true, map true, memory true");
}

fn a_domain_has_only_its_own_descriptors() {
    let mut system = Deployment::new(2).start();
    // The channel's two eventfds, the disk's interrupt (twice), the epoll over them, and the folder this is read
    // from.
    assert_eq!(system.ask("f0"), "0 eventfd eventfd eventfd eventfd eventpoll fd");
}

fn notifications_arrive() {
    let mut system = Deployment::new(2).start();
    assert_eq!(system.ask("c1"), "1 is called back");
    assert!(system.ask("p0").starts_with("0 "));
    assert!(system.ask("p1").starts_with("1 "));
}

fn a_fault_reaches_the_parent_and_siblings_go_on() {
    let mut system = Deployment::new(6).start();
    assert_eq!(system.ask("m0"), format!("0 faulted Memory {:#x}", ORDERS + 8));
    assert_eq!(system.ask("w1"), "1 faulted Memory 0x1000");
    assert_eq!(system.ask("a2"), "2 faulted Exception 0x0");
    assert!(system.ask("o3").starts_with("3 faulted Memory 0x7"));
    assert_eq!(system.ask("x4"), "4 faulted Other 0x0");
    assert_eq!(system.ask("c5"), "5 is called back");
}

fn a_stopped_child_waits_until_it_is_resumed() {
    let mut system = Deployment::new(2).start();
    let answer = system.ask("p0");
    let pid = answer.strip_prefix("0 ").unwrap();
    system.tell("s0");
    // Linux tells nobody but the supervisor when a process has stopped.
    let deadline = Instant::now() + TIMEOUT;
    while !std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ") {
        assert!(Instant::now() < deadline, "the child was not stopped");
        std::thread::yield_now();
    }
    system.tell("p0");
    assert_eq!(system.ask("c1"), "1 is called back", "a sibling is kept waiting");
    assert_eq!(system.ask("r0"), answer);
}

fn nothing_survives_the_supervisor() {
    let mut system = Deployment::new(3).start();
    let processes: Vec<_> = ["p0", "p1", "p2"]
        .map(|ask| {
            let pid = system.ask(ask)[2..].parse().unwrap();
            pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap()
        })
        .into();
    // A stopped process must go too.
    system.tell("s1");
    system.backend.kill().unwrap();
    system.backend.wait().unwrap();
    for process in &processes {
        let timeout = Timespec { tv_sec: TIMEOUT.as_secs() as i64, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&timeout)).unwrap();
        assert_eq!(ended, 1, "a process is left");
    }
}

fn the_system_ends_when_its_line_hangs_up() {
    let mut system = Deployment::new(1).start();
    system.hang_up();
    assert_eq!(system.backend.wait().unwrap().code(), Some(0));
}

fn a_listening_line_has_one_peer_at_a_time() {
    let deployment = Deployment::new(1);
    let connect = || UnixStream::connect(deployment.path("console")).unwrap();
    let mut system = deployment.start_listening();
    let (first, mut second) = (connect(), connect());
    second.write_all(b"c0").unwrap();
    system.connect(first);
    assert_eq!(system.ask("c0"), "0 is called back");
    second.set_nonblocking(true).unwrap();
    assert_eq!(second.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "two peers at a time");
    second.set_nonblocking(false).unwrap();
    system.connect(second);
    assert_eq!(system.answer(), "0 is called back", "the second peer's turn did not come");
}

fn a_socket_left_behind_is_cleared_away_and_one_in_use_is_not() {
    let deployment = Deployment::new(1);
    drop(deployment.start_listening());
    let path = deployment.path("console");
    assert!(path.exists());
    let mut system = deployment.start_listening();
    let output = deployment.command(&format!("unix:{}", path.display())).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("console is another run's"), "{said}");
    system.connect(UnixStream::connect(path).unwrap());
    assert_eq!(system.ask("c0"), "0 is called back");
}

fn the_disk_is_written_and_read() {
    let deployment = Deployment::new(1);
    let mut image = vec![b'A'; 4096];
    image.resize(3 * 4096, b'B');
    deployment.write("disk.img", &image);
    let mut system = deployment.start();
    assert_eq!(system.ask("d0"), "0 transfers [(0, true), (1, true)], read 'A'");
    image[4096..2 * 4096].fill(b'D');
    assert!(std::fs::read(deployment.path("disk.img")).unwrap() == image, "the image is not what was written");
}

fn a_disk_may_be_missing_or_read_only() {
    let deployment = Deployment::new(1);
    let mut system = deployment.start();
    assert_eq!(system.ask("d0"), "0 no transfer, 0 blocks");
    drop(system);

    deployment.write("disk.img", &[b'A'; 2 * 4096]);
    let path = deployment.path("disk.img");
    let mut permissions = path.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let mut system = deployment.start();
    assert_eq!(system.ask("d0"), "0 transfers [(0, true)], read 'A'");
}

fn two_runs_do_not_share_a_disk() {
    let deployment = Deployment::new(1);
    deployment.write("disk.img", &[0; 4096]);
    let _system = deployment.start();
    let said = deployment.refused();
    assert!(said.contains("disk.img: it is in use by processes-"), "{said}");
}

/// The supervisor has ended before its domains have: as long as one has the disk, it is in use.
fn the_lock_lasts_as_long_as_a_domains_descriptor() {
    let deployment = Deployment::new(1);
    deployment.write("disk.img", &[0; 4096]);
    let mut system = deployment.start();
    let pid: i32 = system.ask("p0")[2..].parse().unwrap();
    let disk = deployment.path("disk.img").canonicalize().unwrap();
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|entry| entry.unwrap());
    let its_disk = { descriptors }.find(|entry| std::fs::read_link(entry.path()).is_ok_and(|file| file == disk));
    let number = its_disk.expect("it has the disk").file_name().into_string().unwrap().parse().unwrap();
    let process = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    // Stands in for a domain that takes long to die.
    let kept = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).unwrap();
    system.backend.kill().unwrap();
    system.backend.wait().unwrap();
    let timeout = Timespec { tv_sec: TIMEOUT.as_secs() as i64, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout)).unwrap(), 1);
    let said = deployment.refused();
    assert!(said.contains("disk.img: it is in use by processes-"), "{said}");
    drop(kept);
    drop(deployment.start());
}

fn two_writers_of_a_region_are_refused_by_name() {
    let deployment = Deployment::new(2);
    deployment.edit(
        &format!(r#"<map mr="orders-1" vaddr="{:#x}" perms="r"/>"#, ORDERS + 0x1_0000),
        &format!(r#"<map mr="orders-1" vaddr="{:#x}" perms="rw"/>"#, ORDERS + 0x1_0000),
    );
    let said = deployment.refused();
    assert!(said.contains("system.xml:"), "{said}");
    assert!(said.contains("region 'orders-1' is writable by 'driver' and by 'child-1'"), "{said}");
}

fn what_does_not_fit_together_is_refused() {
    let deployment = Deployment::new(1);
    deployment.edit("driver.elf", "absent.elf");
    let said = deployment.refused();
    assert!(said.contains("cannot start 'driver': no program is called 'absent.elf'"), "{said}");

    let deployment = Deployment::new(1);
    deployment.edit(r#"<end pd="driver" id="0"/>"#, r#"<end pd="driver" id="0" pp="true"/>"#);
    let said = deployment.refused();
    assert!(said.contains("'driver' may make protected calls, which this backend does not carry out"), "{said}");

    let deployment = Deployment::new(1);
    std::fs::remove_file(deployment.path("child-0.manifest")).unwrap();
    assert!(deployment.refused().contains("child-0.manifest"));

    let deployment = Deployment::new(1);
    deployment.write("child-0.manifest", b"something else");
    let said = deployment.refused();
    assert!(said.contains("child-0.manifest is not a manifest"), "{said}");

    // The manifest speaks of a region the system description does not map.
    let deployment = Deployment::new(1);
    deployment.edit(&format!(r#"<map mr="answers-0" vaddr="{:#x}" perms="rw"/>"#, deployment::ANSWERS), "");
    let mut system = deployment.start();
    assert_eq!(system.answer(), "0 faulted Other 0x0");
}
