//! A console that was taken over: it keeps to the form of the operator's protocol, and whatever it may choose freely
//! is hostile.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use totebox_console_protocol::data::{CONTENT_MAX, PROTOCOL, checksum, decode, verified};
use totebox_console_protocol::words::Quoted;

/// What a terminal would obey, in the middle of a line.
pub const OBEYED: &str = "\u{1b}[2J\u{202e}\u{9b}31m\u{2028}\u{200b}\u{85}\u{7f}";

/// Serves clients at a socket of this path, one after another, for as long as the test runs.
pub fn listen(path: &Path, name: &'static str) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for line in listener.incoming() {
            // A client that does not like what it hears hangs up.
            let _ = Hostile { line: line.unwrap(), name, tag: 0, size: None }.serve();
        }
    });
}

struct Hostile {
    line: UnixStream,
    name: &'static str,
    tag: u32,
    /// Of the submission under way.
    size: Option<u64>,
}

impl Hostile {
    fn serve(&mut self) -> std::io::Result<()> {
        let lines = BufReader::new(self.line.try_clone()?).split(b'\n');
        for line in lines {
            let line = line?;
            let said = String::from_utf8_lossy(verified(&line).unwrap_or(&line)).into_owned();
            for answer in self.answers(&said) {
                write!(self.line, "{answer} #{:08x}\r\n", checksum(answer.as_bytes()))?;
            }
        }
        Ok(())
    }

    fn answers(&mut self, said: &str) -> Vec<String> {
        let name = Quoted(self.name.as_bytes());
        let word = |key: &str| format!(" {key}={name}");
        let numbers = |keys: &[&str]| keys.iter().map(|key| format!(" {key}=0")).collect::<String>();
        let words = |keys: &[&str]| keys.iter().map(|key| word(key)).collect::<String>();
        let (command, rest) = said.split_once(' ').unwrap_or((said, ""));
        let mut answers = vec![format!("*news {OBEYED} end")];
        let nothing = blake3::hash(b"").to_hex();
        answers.extend(match command {
            "machine" => vec![format!("+machine {PROTOCOL} {rest}")],
            "status" => vec![
                format!(
                    "=archive{}{} findings=1 area={name} block=1",
                    words(&["name", "kind", "state", "target", "volume", "check", "audit", "finding", "trouble"]),
                    numbers(&[
                        "since_ms", "records", "documents", "bytes", "free", "left", "refused", "checked_ms",
                        "checked_records", "verified_ms", "flags"
                    ]),
                ) + " verdict=mismatch moving=yes",
                format!("+status uptime_ms=1 time=1 durable=yes settled=yes restored=yes degraded={name} flags=1 hidden=0"),
            ],
            "flags" if !rest.is_empty() => vec![
                format!("=range{} findings=1 block=1 last_block=2", words(&["archive", "finding", "area"])),
                "+flags findings=9 listed=1".into(),
            ],
            "flags" => vec![
                format!("=more{} findings=1", words(&["archive"])),
                format!(
                    "=flag{}{}",
                    words(&["archive", "kind", "area", "what", "acknowledged", "text"]),
                    numbers(&["id", "block", "record", "detail", "severity", "raised_ms"]),
                ),
                "+flags open=1 hidden=0".into(),
            ],
            "history" => vec![
                format!(
                    "=event seq=0 time=0{}",
                    words(&["kind", "archive", "text", "audit", "verdict", "reason", "from", "to", "cause", "fault"])
                ),
                "+history records=1".into(),
            ],
            "trace" => vec![
                format!("=note seq=0 time=0{}", words(&["text"])),
                format!("+trace{} notes=1", words(&["domain"])),
            ],
            "audit" => vec![
                format!("=volume{}{} area={name} block=1", words(&["name", "verdict", "finding"]), numbers(&["records", "bytes", "duration_ms", "findings"])),
                format!("-mismatch {OBEYED} it is"),
            ],
            "ls" => vec![
                format!("=record seq=0 time=0 size=0{}", words(&["kind", "hash", "name"])),
                "+ls records=1".into(),
            ],
            "get" => vec![
                format!("=document seq=0 size=0 hash={nothing} time=0 name={name}"),
                format!("+end size=0 hash={nothing}"),
            ],
            "put" => {
                self.tag += 1;
                match self.tag % 3 {
                    0 => vec![format!("-full {OBEYED} no room")],
                    _ => {
                        self.size = rest.rsplit(' ').nth(1).and_then(|size| size.parse().ok());
                        vec![format!("+ready {} 8", self.tag)]
                    }
                }
            }
            _ if command.starts_with('@') => self.data(said),
            "receipt" => vec![format!("-not-found {OBEYED} gone")],
            // Orders.
            _ => vec![format!("-failed {OBEYED} it did not")],
        });
        answers
    }

    fn data(&mut self, said: &str) -> Vec<String> {
        let mut content = [0; CONTENT_MAX];
        let Some((offset, len)) = decode(said.as_bytes(), &mut content) else { return vec![] };
        let (taken, tag) = (offset + len as u64, self.tag);
        let mut answers = vec![format!("?{taken}")];
        if self.size.is_some_and(|size| taken >= size) {
            self.size = None;
            let hash = blake3::hash(&content[..len]).to_hex();
            answers.push(format!("+receipt {tag} seq=1 size={taken} hash={hash} record={hash} time=0"));
        }
        answers
    }
}
