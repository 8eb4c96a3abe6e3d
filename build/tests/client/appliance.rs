//! A console with archives in memory behind a socket, on a thread of its own, and a line to it that may
//! be disturbed.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::{self, JoinHandle};

use totebox_console::testing::{Bench, Document};
use totebox_testing::Random;

pub const ARCHIVES: [&str; 2] = ["contracts", "finance"];

/// What happens to bytes on the line: one in so many is changed, lost or doubled.
pub struct Noise {
    random: Random,
    one_in: Option<u64>,
}

impl Noise {
    pub fn none() -> Noise {
        Noise { random: Random(0), one_in: None }
    }

    pub fn seeded(seed: u64, one_in: u64) -> Noise {
        Noise { random: Random(seed), one_in: Some(one_in) }
    }

    fn disturb(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(one_in) = self.one_in else { return bytes.to_vec() };
        let mut out = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            match self.random.below(3 * one_in) {
                0 => out.push(byte ^ (1 << self.random.below(8))),
                1 => {}
                2 => out.extend([byte, byte]),
                _ => out.push(byte),
            }
        }
        out
    }
}

/// The running appliance; `end` gives the archives' documents once its last client has hung up.
pub struct Appliance(JoinHandle<Vec<Vec<Document>>>);

impl Appliance {
    /// Starts one and connects to it. `prepare` sets it up; `meanwhile` is called whenever the client
    /// has sent something.
    pub fn start(
        mut noise: Noise,
        prepare: impl FnOnce(&mut Bench) + Send + 'static,
        mut meanwhile: impl FnMut(&mut Bench) + Send + 'static,
    ) -> (Appliance, UnixStream) {
        let (ours, line) = UnixStream::pair().unwrap();
        let thread = thread::spawn(move || {
            let mut bench = Bench::up(&ARCHIVES);
            prepare(&mut bench);
            serve(&mut bench, line, &mut noise, &mut meanwhile);
            documents(bench)
        });
        (Appliance(thread), ours)
    }

    /// Starts one that serves so many clients, one after another, on a socket of this path.
    pub fn listen(
        path: &Path,
        clients: usize,
        prepare: impl FnOnce(&mut Bench) + Send + 'static,
        mut meanwhile: impl FnMut(&mut Bench) + Send + 'static,
    ) -> Appliance {
        let listener = UnixListener::bind(path).unwrap();
        Appliance(thread::spawn(move || {
            let mut bench = Bench::up(&ARCHIVES);
            prepare(&mut bench);
            for line in listener.incoming().take(clients) {
                serve(&mut bench, line.unwrap(), &mut Noise::none(), &mut meanwhile);
                bench.line.borrow_mut().hung_up = true;
                bench.bytes(&[]);
                bench.output_bytes();
            }
            documents(bench)
        }))
    }

    /// What the archives hold in the end.
    pub fn end(self) -> Vec<Vec<Document>> {
        self.0.join().unwrap()
    }
}

/// Serves a client until it hangs up.
fn serve(bench: &mut Bench, mut line: UnixStream, noise: &mut Noise, meanwhile: &mut impl FnMut(&mut Bench)) {
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = line.read(&mut chunk) {
        bench.bytes(&noise.disturb(&chunk[..count]));
        meanwhile(bench);
        if line.write_all(&noise.disturb(&bench.output_bytes())).is_err() {
            break;
        }
    }
}

fn documents(mut bench: Bench) -> Vec<Vec<Document>> {
    bench.archives.drain(..).map(|archive| archive.documents).collect()
}
