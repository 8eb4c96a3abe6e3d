//! The console scripts: what an operator does at an appliance, the same on every backend. The simulator
//! and seL4 get smaller documents, fit for a simulated disk and for a serial line.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use serde_json::Value;

use crate::appliance::{Answer, Appliance, row, state};
use crate::orchestrated::audited;
use crate::repaired::a_repaired_volume_goes_on;

/// A script; the number is the size of the largest document the backend bears, in bytes.
pub type Script = fn(&mut dyn Appliance, u64);

/// The scripts, by the names their tests have.
pub const SCRIPTS: [(&str, Script); 7] = [
    ("a_person_types", a_person_types),
    ("text_is_never_taken_for_commands", text_is_no_command),
    ("documents_survive_power_cuts", documents_survive_power_cuts),
    ("refusals_have_names_and_commit_nothing", refusals),
    ("peers_may_vanish_half_way", peers_may_vanish),
    ("damage_is_found_offline_and_by_the_auditor", damage_is_found),
    ("a_repaired_volume_goes_on", a_repaired_volume_goes_on),
];

/// A person at a bare terminal: status, a typed document, a listing, a reading, a verification.
fn a_person_types(appliance: &mut dyn Appliance, _: u64) {
    appliance.start();
    appliance.wait_until_active();
    let mut terminal = appliance.terminal();
    let help = terminal.command("help");
    for command in
        ["status", "ls", "put", "get", "audit", "flags", "ack", "history", "trace", "suspend", "resume", "archive"]
    {
        assert!(help.contains(command), "help does not speak of {command}:\n{help}");
    }
    terminal.type_bytes(b"put finance \"a typed note\"\r");
    terminal.wait_for("+ready");
    terminal.type_bytes(b"first linX\x7fe\r second line\r.\r");
    terminal.wait_for("+receipt");
    let receipt = terminal.wait_for("\n");
    assert!(receipt.contains("seq=1 size=24 "), "{receipt}");
    let listing = terminal.command("ls finance");
    assert!(listing.contains("a typed note") && listing.contains("+ls records=2"), "{listing}");
    let document = terminal.command("get finance 1");
    assert!(document.contains("first line\n second line\n"), "{document}");
    let trace = terminal.command("trace finance");
    let asked = ["put", "ls", "get"].map(|what| format!("request to finance: {what}"));
    assert_in_order(&trace, &["started", &asked[0], "committed 1 record", &asked[1], &asked[2]]);
    // An archive goes on in the state its ledger says; the order that says the same may come at any time.
    let told = terminal.command_until("trace finance", |trace| trace.contains("is active, as it was told"));
    assert_in_order(&told, &["started", "was told to be active", "is active, as it was told"]);
    for domain in ["vault", "orchestrator", "auditor", "console", "clock"] {
        assert!(terminal.command(&format!("trace {domain}")).contains("started"), "{domain}");
    }
    // A scheduled audit may be under way.
    terminal.command_until("audit", |verdict| verdict.contains("+audit clean volumes=4"));
    assert!(terminal.command("trace auditor").contains("audit of finance ended: clean"));
    let status = terminal.command("status");
    assert!(row(&status, "finance").contains("clean"), "{status}");
    assert!(terminal.command("frobnicate").contains("-unknown-command"));
}

/// All of this stands in the text, each behind the one before it.
fn assert_in_order(text: &str, wanted: &[&str]) {
    let mut rest = text;
    for wanted in wanted {
        rest = rest
            .split_once(wanted)
            .unwrap_or_else(|| panic!("{wanted} is not there, or not in its order:\n{text}"))
            .1;
    }
}

/// What a person types of a text is not carried out: not when another holder takes the line meanwhile, nor
/// when the `put` it belongs to was refused.
fn text_is_no_command(appliance: &mut dyn Appliance, _: u64) {
    /// What the console says when it takes what is typed for text that is void.
    const SKIPPED: &str = "*what is typed now is skipped";
    appliance.start();
    appliance.wait_until_active();
    let mut terminal = appliance.terminal();
    for takeover in [&b"\x0e\x03\x03\nmachine 1\n\x0f"[..], b"\x03\nmachine 1\n\x03"] {
        terminal.type_bytes(b"put finance lost\r");
        terminal.wait_for("+ready");
        terminal.type_bytes(b"a line\rhalf a ");
        terminal.type_bytes(takeover);
        let told = terminal.wait_for(SKIPPED);
        assert!(told.contains("*-cancelled:") && told.contains("nothing was committed"), "{told}");
        terminal.type_bytes(b"line\rarchive finance final\r.\r");
        let status = terminal.command("status");
        assert_eq!(state(&status, "finance"), "active", "{status}");
    }
    for put in ["put finance", "put finance two words", "put nowhere note", "put nowhere lease 2026"] {
        terminal.type_bytes(format!("{put}\rarchive finance final\r.\r").as_bytes());
        terminal.wait_for(SKIPPED);
        let status = terminal.command("status");
        assert_eq!(state(&status, "finance"), "active", "{status}");
    }
    let listing = terminal.command("ls finance");
    assert!(listing.contains("+ls records=1"), "something was committed:\n{listing}");
}

/// Real files into three archives, three times the power cut, and everything is there byte for byte: through
/// the console, and in the plain files `disk extract` makes.
fn documents_survive_power_cuts(appliance: &mut dyn Appliance, largest: u64) {
    let folder = appliance.site().folder.path().join("originals");
    let files = make_files(&folder, largest);
    let paths: Vec<&str> = files.iter().map(|path| path.to_str().expect("made of UTF-8")).collect();
    let archives = appliance.site().archives.clone();

    let mut sequences = BTreeMap::new();
    for (turn, archive) in archives.iter().enumerate() {
        appliance.start();
        appliance.wait_until_active();
        // The largest only once: a serial line is slow.
        let chosen = if turn == 0 { &paths[..] } else { &paths[..paths.len() - 1] };
        let mut arguments = vec!["put", archive, "--json"];
        arguments.extend(chosen);
        let receipts = json(appliance.tool().call(&arguments).expect(0));
        for receipt in receipts.as_array().expect("a list of receipts") {
            let name = text(&receipt["name"]);
            sequences.insert((archive.clone(), name), receipt["sequence"].as_u64().expect("a sequence number"));
        }
        appliance.power_cut();
    }
    assert_eq!(sequences.len(), archives.len() * files.len() - (archives.len() - 1));

    appliance.start();
    appliance.wait_until_active();
    let fetched = appliance.site().folder.path().join("fetched");
    for ((archive, name), sequence) in &sequences {
        let sequence = sequence.to_string();
        let output = fetched.to_str().expect("made of UTF-8");
        appliance.tool().call(&["get", archive, &sequence, "-o", output, "--force"]).expect(0);
        assert!(same(&folder.join(name), &fetched), "{archive} does not give {name} back as it was");
    }
    for archive in &archives {
        let listing = json(appliance.tool().call(&["ls", archive, "--json"]).expect(0));
        let entries = listing["entries"].as_array().expect("a list of entries");
        let expected = sequences.keys().filter(|(of, _)| of == archive).count();
        let documents = entries.iter().filter(|entry| entry["kind"] == "document").count();
        assert_eq!(documents, expected, "{archive} lists other documents than were acknowledged: {listing}");
    }
    audited(appliance, &[], 0);
    appliance.power_cut();

    let disk = appliance.site().disk.to_str().expect("made of UTF-8").to_owned();
    appliance.tool().offline(&["disk", "verify", &disk]).expect(0);
    let extracted = appliance.site().folder.path().join("extracted");
    appliance.tool().offline(&["disk", "extract", &disk, extracted.to_str().expect("made of UTF-8")]).expect(0);
    for archive in &archives {
        compare_extracted(&extracted.join(archive), &folder, |name| {
            sequences.contains_key(&(archive.clone(), name.to_owned()))
        });
    }
}

/// What must be refused is, by name, and leaves nothing behind.
fn refusals(appliance: &mut dyn Appliance, _: u64) {
    appliance.start();
    appliance.wait_until_active();
    let mut terminal = appliance.terminal();
    let too_large = 1u64 << 50;
    let wrong = "00".repeat(32);
    for (command, error) in [
        ("put nowhere x 3".to_owned(), "-unknown-archive"),
        ("get contracts 999".into(), "-not-found"),
        ("get contracts 0".into(), "-not-a-document"),
        ("get contracts x".into(), "-bad-argument"),
        (format!("put contracts huge {too_large}"), "-full"),
        (format!("put contracts {} 3", "n".repeat(1025)), "-bad-name"),
        ("x".repeat(5000), "-line-too-long"),
    ] {
        // What follows a refused `put` is its text, up to the point.
        let skipped = if command.starts_with("put ") { "\r." } else { "" };
        let answer = terminal.command(&format!("{command}{skipped}"));
        assert!(answer.contains(error), "{command:.40} is not answered {error}:\n{answer:.400}");
    }
    // Content that is not what was declared.
    terminal.type_bytes(format!("put contracts liar 3 {wrong}\r").as_bytes());
    terminal.wait_for("+ready");
    terminal.type_bytes(format!("{}\r", data_line(0, b"abc")).as_bytes());
    terminal.wait_for("-wrong-hash");
    let listing = terminal.command("ls contracts");
    assert!(listing.contains("+ls records=1"), "something was committed:\n{listing}");
    drop(terminal);
    let missing = appliance.site().folder.path().join("missing");
    let answer = appliance.tool().call(&["put", "contracts", missing.to_str().expect("made of UTF-8")]);
    assert!(answer.code == 1 && answer.stderr.contains("missing"), "{answer:?}");
    let answer = appliance.tool().call(&["get", "contracts", "77"]).expect(1);
    assert!(answer.stderr.contains("not-found"), "{answer:?}");
}

/// A peer that goes away in the middle leaves nothing committed and the line usable; damaged lines are asked
/// for again.
fn peers_may_vanish(appliance: &mut dyn Appliance, _: u64) {
    appliance.start();
    appliance.wait_until_active();
    for _ in 0..3 {
        let mut terminal = appliance.terminal();
        terminal.type_bytes(b"put correspondence half 6000\r");
        terminal.wait_for("+ready");
        terminal.type_bytes(format!("{}\r", data_line(0, &[7; 3000])).as_bytes());
        terminal.wait_for("?3000");
        drop(terminal);
    }
    let mut terminal = appliance.terminal();
    assert!(terminal.command("ls correspondence").contains("+ls records=1"), "a half submission was committed");
    terminal.type_bytes(b"put correspondence noisy 6\r");
    terminal.wait_for("+ready");
    terminal.type_bytes(format!("{}\r", data_line(0, b"abc").replace("YWJj", "YWJk")).as_bytes());
    terminal.wait_for("?0 bad-crc");
    terminal.type_bytes(b"\xff\xfe@garbage\r");
    terminal.wait_for("?0 bad-crc");
    terminal.type_bytes(format!("{}\r", checked("put it there")).as_bytes());
    terminal.wait_for("?0 bad-line");
    terminal.type_bytes(format!("{}\r{}\r", data_line(0, b"abc"), data_line(3, b"def")).as_bytes());
    terminal.wait_for("?6");
    terminal.wait_for("+receipt");
    drop(terminal);
    // A peer that dies while it is being answered.
    let mut stream = UnixStream::connect(appliance.socket()).expect("the line is there");
    stream.write_all(b"\x03\rls correspondence\rget correspondence 1\r").expect("the line takes it");
    drop(stream);
    audited(appliance, &[], 0);
}

/// One flipped bit in a committed byte: `disk verify` names volume, record and block, the auditor says so
/// at the console, and the other archives and the undamaged records go on.
fn damage_is_found(appliance: &mut dyn Appliance, _: u64) {
    appliance.start();
    appliance.wait_until_active();
    let folder = appliance.site().folder.path().to_path_buf();
    let marker = b"a line that stands nowhere else on this disk";
    fs::write(folder.join("marked"), marker).expect("the folder can be written");
    fs::write(folder.join("other"), b"untouched").expect("the folder can be written");
    for file in ["marked", "other"] {
        let path = folder.join(file);
        appliance.tool().call(&["put", "correspondence", path.to_str().expect("made of UTF-8")]).expect(0);
    }
    appliance.power_cut();

    let disk = appliance.site().disk.clone();
    let offset = find_in(&disk, marker);
    flip(&disk, offset);
    let path = disk.to_str().expect("made of UTF-8").to_owned();
    let answer = appliance.tool().offline(&["disk", "verify", &path]).expect(1);
    for word in ["correspondence", "asset", "record 1", "block 0"] {
        assert!(answer.stdout.contains(word), "{word:?} is not named:\n{answer:?}");
    }

    appliance.start();
    appliance.wait_until_active();
    let answer = audited(appliance, &["correspondence"], 1);
    assert!(answer.stdout.contains("asset") || answer.stderr.contains("asset"), "{answer:?}");
    audited(appliance, &["finance"], 0);
    let output = folder.join("out");
    let output = output.to_str().expect("made of UTF-8");
    let answer = appliance.tool().call(&["get", "correspondence", "1", "-o", output]).expect(1);
    assert!(answer.stderr.contains("damaged"), "{answer:?}");
    assert!(!Path::new(output).exists(), "a damaged document was written");
    appliance.tool().call(&["get", "correspondence", "2", "-o", output]).expect(0);
    appliance.tool().call(&["put", "finance", folder.join("other").to_str().expect("made of UTF-8")]).expect(0);
}

/// Every archive of a large deployment takes a document, and gives it back after a power cut.
pub fn forty_archives(appliance: &mut dyn Appliance) {
    let archives = appliance.site().archives.clone();
    assert_eq!(archives.len(), 40);
    let folder = appliance.site().folder.path().to_path_buf();
    let (input, output) = (folder.join("input"), folder.join("output"));
    let path = |path: &Path| path.to_str().expect("made of UTF-8").to_owned();
    appliance.start();
    appliance.wait_until_active();
    for archive in &archives {
        fs::write(&input, format!("a document of {archive}")).expect("the folder can be written");
        appliance.tool().call(&["put", archive, &path(&input)]).expect(0);
    }
    appliance.power_cut();
    appliance.start();
    appliance.wait_until_active();
    for archive in &archives {
        appliance.tool().call(&["get", archive, "1", "-o", &path(&output), "--force"]).expect(0);
        let content = fs::read_to_string(&output).expect("it was written");
        assert_eq!(content, format!("a document of {archive}"));
    }
}

/// Files such as people have: text, a PDF, an empty one, names with spaces and non-ASCII letters, sizes
/// around a block and a message, and one as large as the backend bears, which is the last.
fn make_files(folder: &Path, largest: u64) -> Vec<PathBuf> {
    fs::create_dir(folder).expect("the folder can be made");
    let mut random = Rng::with_seed(largest);
    let mut noise = |len: usize| (0..len).map(|_| random.u8(..)).collect::<Vec<u8>>();
    let pdf = [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".as_slice(), &noise(9000), b"\n%%EOF\n"].concat();
    let files = [
        ("notes.txt", b"Minutes of the first meeting\r\n\tall present\n".to_vec()),
        ("lease agreement.pdf", pdf),
        ("empty", Vec::new()),
        ("Grüße an Zoë – ёлка 契約書.txt", "Привет, 世界\n".into()),
        ("a block", noise(4096)),
        ("a block and a byte", noise(4097)),
        ("a message less a byte", noise(32767)),
        ("the largest", noise(largest as usize)),
    ];
    let write = |(name, content): (&str, Vec<u8>)| {
        let path = folder.join(name);
        fs::write(&path, content).expect("the folder can be written");
        path
    };
    files.into_iter().map(write).collect()
}

/// Checks that an extracted volume has exactly the documents that were put in it, byte for byte, as its
/// `records.jsonl` says.
fn compare_extracted(volume: &Path, originals: &Path, was_put: impl Fn(&str) -> bool) {
    let records = fs::read_to_string(volume.join("ledger/records.jsonl")).expect("the records are there");
    let mut documents = 0;
    for line in records.lines() {
        let record: Value = serde_json::from_str(line).expect("a line is JSON");
        if record["kind"] != "document" {
            continue;
        }
        documents += 1;
        let name = text(&record["name"]);
        assert!(was_put(&name), "{name} was never acknowledged");
        let content = volume.join("assets").join(text(&record["content"]["hash"]));
        assert!(same(&originals.join(&name), &content), "{} is not {name}", content.display());
    }
    let expected = fs::read_dir(originals).expect("the originals are there");
    let expected =
        expected.filter(|entry| was_put(&entry.as_ref().expect("readable").file_name().to_string_lossy()));
    assert_eq!(documents, expected.count(), "{}", volume.display());
}

fn same(a: &Path, b: &Path) -> bool {
    let read = |path: &Path| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    read(a) == read(b)
}

fn json(answer: Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {}", answer.stdout))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text")).to_owned()
}

/// A data line of the operator's protocol.
fn data_line(offset: u64, content: &[u8]) -> String {
    checked(&format!("@{offset} {}", STANDARD.encode(content)))
}

/// A line with its checksum.
fn checked(line: &str) -> String {
    format!("{line} #{:08x}", crc32fast::hash(line.as_bytes()))
}

/// Where in a file these bytes are.
fn find_in(path: &Path, bytes: &[u8]) -> u64 {
    let content = fs::read(path).expect("the disk can be read");
    let at = content.windows(bytes.len()).position(|window| window == bytes);
    at.expect("the disk holds what was committed") as u64
}

/// Flips one bit of a file.
fn flip(path: &Path, offset: u64) {
    use std::os::unix::fs::FileExt;
    let file = fs::File::options().read(true).write(true).open(path).expect("the disk can be opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("the disk can be read");
    file.write_all_at(&[byte[0] ^ 0x10], offset).expect("the disk can be written");
}
