//! QEMU as an instrument: it counts instructions (`-icount`), tells the count over QMP, and stops at breakpoints over
//! GDB's remote protocol.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How long QEMU may take to open its sockets.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The number of the program counter in GDB's description of AArch64.
const PC: u32 = 32;

/// A machine that is emulated. Killed with this value.
pub struct Qemu {
    child: Child,
    qmp: BufReader<UnixStream>,
    gdb: Gdb,
}

impl Qemu {
    /// Starts what `words` say, the program first, with sockets in `folder`. The machine is stopped.
    pub fn start(words: &[String], folder: &Path) -> Result<Qemu> {
        let socket = |name: &str| folder.join(name);
        let server = |path: &PathBuf| format!("unix:{},server=on,wait=off", path.display());
        let (qmp, gdb) = (socket("qmp"), socket("gdb"));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["-icount", "shift=0", "-S", "-qmp"]).arg(server(&qmp));
        let mut child = command.arg("-gdb").arg(server(&gdb)).stdin(Stdio::null()).spawn()?;
        let mut connect = |path: &Path| connect(path, &mut child);
        let (qmp, gdb) = (connect(&qmp)?, connect(&gdb)?);
        let mut qemu = Qemu { child, qmp: BufReader::new(qmp), gdb: Gdb { stream: gdb, received: Vec::new() } };
        qemu.gdb.ask("qSupported:xmlRegisters=aarch64")?;
        qemu.qmp.read_line(&mut String::new())?;
        qemu.command("qmp_capabilities")?;
        Ok(qemu)
    }

    fn command(&mut self, command: &str) -> Result<Value> {
        writeln!(self.qmp.get_mut(), "{{\"execute\":\"{command}\"}}")?;
        loop {
            let mut line = String::new();
            ensure!(self.qmp.read_line(&mut line)? > 0, "QEMU has gone");
            let mut answer: Value = serde_json::from_str(&line)?;
            if answer.get("event").is_none() {
                return Ok(answer["return"].take());
            }
        }
    }

    /// Instructions so far.
    pub fn instructions(&mut self) -> Result<u64> {
        self.command("query-replay")?["icount"].as_u64().context("QEMU does not count")
    }

    /// The number GDB's protocol has for a system register.
    pub fn system_register(&mut self, name: &str) -> Result<u32> {
        self.gdb.feature("target.xml")?;
        let registers = self.gdb.feature("system-registers.xml")?;
        let element = registers.split("<reg ").find(|element| element.contains(&format!("name=\"{name}\"")));
        let number =
            element.and_then(|element| element.split_once("regnum=\"")?.1.split('"').next()?.parse().ok());
        number.with_context(|| format!("QEMU tells nothing of {name}"))
    }

    /// A register of the stopped machine.
    pub fn register(&mut self, number: u32) -> Result<u64> {
        let bytes = unhex(&self.gdb.ask(&format!("p{number:x}"))?)?;
        Ok(u64::from_le_bytes(bytes.try_into().ok().context("not a register of 64 bits")?))
    }

    /// The instruction the machine has stopped at.
    pub fn pc(&mut self) -> Result<u64> {
        self.register(PC)
    }

    /// Reads physical memory.
    pub fn physical(&mut self, address: u64, len: usize) -> Result<Vec<u8>> {
        self.gdb.ask("Qqemu.PhyMemMode:1")?;
        let answer = self.gdb.ask(&format!("m{address:x},{len:x}"))?;
        self.gdb.ask("Qqemu.PhyMemMode:0")?;
        unhex(&answer)
    }

    /// Sets a breakpoint.
    pub fn set_breakpoint(&mut self, address: u64) -> Result<()> {
        self.gdb.ask(&format!("Z0,{address:x},4")).map(drop)
    }

    /// Takes a breakpoint away.
    pub fn remove_breakpoint(&mut self, address: u64) -> Result<()> {
        self.gdb.ask(&format!("z0,{address:x},4")).map(drop)
    }

    /// Executes the one instruction the machine has stopped at, although there is a breakpoint.
    pub fn step_over(&mut self, address: u64) -> Result<()> {
        self.remove_breakpoint(address)?;
        self.gdb.ask("s")?;
        self.set_breakpoint(address)
    }

    /// Lets the machine run.
    pub fn resume(&mut self) -> Result<()> {
        self.gdb.send("c")
    }

    /// Whether the running machine has stopped within a tenth of a second.
    pub fn has_stopped(&mut self) -> Result<bool> {
        self.gdb.stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        let answer = self.gdb.receive()?;
        self.gdb.stream.set_read_timeout(None)?;
        Ok(answer.is_some())
    }

    /// Stops the running machine.
    pub fn stop(&mut self) -> Result<()> {
        self.gdb.stream.write_all(b"\x03")?;
        self.gdb.receive().map(drop)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may have gone by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(path: &Path, child: &mut Child) -> Result<UnixStream> {
    let started = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if started.elapsed() > TIMEOUT => {
                return Err(error).with_context(|| format!("QEMU does not open {}", path.display()));
            }
            Err(_) => {}
        }
        if let Some(status) = child.try_wait()? {
            bail!("QEMU ended: {status}");
        }
        std::thread::yield_now();
    }
}

/// GDB's end of its remote protocol.
struct Gdb {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Gdb {
    fn send(&mut self, packet: &str) -> Result<()> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        Ok(write!(self.stream, "${packet}#{sum:02x}")?)
    }

    /// The next packet; `None` if none comes in time.
    fn receive(&mut self) -> Result<Option<String>> {
        loop {
            let begin = self.received.iter().position(|&byte| byte == b'$');
            let end = begin.and_then(|begin| {
                let length = self.received[begin..].iter().position(|&byte| byte == b'#')?;
                (self.received.len() >= begin + length + 3).then_some((begin, begin + length))
            });
            if let Some((begin, end)) = end {
                let packet = String::from_utf8_lossy(&self.received[begin + 1..end]).into_owned();
                self.received.drain(..end + 3);
                self.stream.write_all(b"+")?;
                return Ok(Some(packet));
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => bail!("QEMU has gone"),
                Ok(count) => self.received.extend(&bytes[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn ask(&mut self, packet: &str) -> Result<String> {
        self.send(packet)?;
        let answer = self.receive()?.context("QEMU does not answer")?;
        ensure!(!answer.starts_with('E'), "QEMU refuses {packet}: {answer}");
        Ok(answer)
    }

    /// A description of what the machine has.
    fn feature(&mut self, name: &str) -> Result<String> {
        let mut text = String::new();
        loop {
            let part = self.ask(&format!("qXfer:features:read:{name}:{:x},ffb", text.len()))?;
            ensure!(!part.is_empty(), "QEMU does not describe {name}");
            text.push_str(&part[1..]);
            if part.starts_with('l') {
                return Ok(text);
            }
        }
    }
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.with_context(|| format!("QEMU answers {text:?}"))?;
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
