//! A console with archives in memory behind a socket, on a thread of its own, and a line to it that may
//! be disturbed.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::{self, JoinHandle};

use totebox_console::testing::{Document, Harness};
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
        prepare: impl FnOnce(&mut Harness) + Send + 'static,
        mut meanwhile: impl FnMut(&mut Harness) + Send + 'static,
    ) -> (Appliance, UnixStream) {
        let (ours, line) = UnixStream::pair().unwrap();
        let thread = thread::spawn(move || {
            let mut harness = Harness::up(&ARCHIVES);
            prepare(&mut harness);
            serve(&mut harness, line, &mut noise, &mut meanwhile);
            documents(harness)
        });
        (Appliance(thread), ours)
    }

    /// Starts one that serves so many clients, one after another, on a socket of this path.
    pub fn listen(
        path: &Path,
        clients: usize,
        prepare: impl FnOnce(&mut Harness) + Send + 'static,
        mut meanwhile: impl FnMut(&mut Harness) + Send + 'static,
    ) -> Appliance {
        let listener = UnixListener::bind(path).unwrap();
        Appliance(thread::spawn(move || {
            let mut harness = Harness::up(&ARCHIVES);
            prepare(&mut harness);
            for line in listener.incoming().take(clients) {
                serve(&mut harness, line.unwrap(), &mut Noise::none(), &mut meanwhile);
                harness.line.borrow_mut().hung_up = true;
                harness.bytes(&[]);
                harness.output_bytes();
            }
            documents(harness)
        }))
    }

    /// What the archives hold in the end.
    pub fn end(self) -> Vec<Vec<Document>> {
        self.0.join().unwrap()
    }
}

/// Serves a client until it hangs up.
fn serve(
    harness: &mut Harness,
    mut line: UnixStream,
    noise: &mut Noise,
    meanwhile: &mut impl FnMut(&mut Harness),
) {
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = line.read(&mut chunk) {
        harness.bytes(&noise.disturb(&chunk[..count]));
        meanwhile(harness);
        if line.write_all(&noise.disturb(&harness.output_bytes())).is_err() {
            break;
        }
    }
}

fn documents(mut harness: Harness) -> Vec<Vec<Document>> {
    harness.archives.drain(..).map(|archive| archive.documents).collect()
}
