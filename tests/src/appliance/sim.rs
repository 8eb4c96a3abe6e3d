//! The simulator as an appliance: a thread in which the world runs, its serial line on a Unix socket, its
//! disk in a file whenever it does not run.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use fastrand::Rng;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use super::{Appliance, Site};
use crate::sim::{DiskHandle, World, domain};

/// The simulator.
pub struct Sim {
    site: Site,
    seed: u64,
    running: Option<(JoinHandle<()>, Arc<AtomicBool>)>,
}

impl Sim {
    /// The appliance of `site` under a seed.
    pub fn new(site: Site, seed: u64) -> Sim {
        Sim { site, seed, running: None }
    }
}

impl Appliance for Sim {
    fn backend(&self) -> &'static str {
        "sim"
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn start(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        let _ = std::fs::remove_file(&self.site.socket);
        let listener = UnixListener::bind(&self.site.socket).expect("a socket can be made");
        self.seed += 1;
        let (seed, path) = (self.seed, self.site.disk.clone());
        let deployment = self.site.deployment.clone();
        let cut = Arc::new(AtomicBool::new(false));
        let power = cut.clone();
        let thread = std::thread::spawn(move || {
            let disk = DiskHandle::new(std::fs::read(&path).expect("there is a disk"));
            let mut world = World::new(&deployment, disk.clone(), seed, domain);
            serve(&mut world, &listener, &power);
            disk.borrow_mut().cut_power(&mut Rng::with_seed(seed));
            std::fs::write(&path, disk.borrow().stable()).expect("the disk can be written");
        });
        self.running = Some((thread, cut));
    }

    fn power_cut(&mut self) {
        if let Some((thread, cut)) = self.running.take() {
            cut.store(true, Ordering::Relaxed);
            thread.join().expect("the simulated world does not panic");
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.power_cut();
    }
}

/// Steps of a busy world between looks at its line.
const STEPS_AT_ONCE: usize = 256;

/// Runs the world, with one peer at a time on its line, until the power is cut.
fn serve(world: &mut World, listener: &UnixListener, cut: &AtomicBool) {
    listener.set_nonblocking(true).expect("a socket can be told not to block");
    let uart = world.devices().uart.clone();
    let mut peer: Option<std::os::unix::net::UnixStream> = None;
    while !cut.load(Ordering::Relaxed) {
        let busy = (0..STEPS_AT_ONCE).take_while(|_| world.step()).count() > 0;
        if let Some(stream) = &mut peer {
            let mut buffer = [0; 4096];
            let gone = match stream.read(&mut buffer) {
                Ok(0) => true,
                Ok(len) => {
                    uart.send(&buffer[..len]);
                    false
                }
                Err(error) => error.kind() != ErrorKind::WouldBlock,
            };
            if gone {
                uart.hang_up();
                peer = None;
            }
        } else if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true).expect("a socket can be told not to block");
            peer = Some(stream);
        }
        forward(&uart.take_received(), peer.as_mut(), cut);
        if !busy {
            wait(listener, peer.as_ref());
        }
    }
}

/// Hands what the console sent to the peer; without one it is lost, as on a line nobody listens to.
fn forward(mut bytes: &[u8], peer: Option<&mut std::os::unix::net::UnixStream>, cut: &AtomicBool) {
    let Some(stream) = peer else { return };
    while !bytes.is_empty() && !cut.load(Ordering::Relaxed) {
        match stream.write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut fds = [PollFd::new(stream, PollFlags::OUT)];
                let _ = retry_on_intr(|| poll(&mut fds, Some(&MOMENT)));
            }
            Err(_) => return,
        }
    }
}

/// How long an idle world waits for its line before it lets time pass again.
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

fn wait(listener: &UnixListener, peer: Option<&std::os::unix::net::UnixStream>) {
    let mut fds = match peer {
        Some(stream) => [PollFd::new(stream, PollFlags::IN)],
        None => [PollFd::new(listener, PollFlags::IN)],
    };
    let _ = retry_on_intr(|| poll(&mut fds, Some(&MOMENT)));
}
