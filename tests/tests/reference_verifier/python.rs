//! The verifier in Python, found and run, and its word compared with that of the Rust code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use totebox_disk::{Image, Pinned, Report, verify};
use totebox_tests::appliance::workspace;

/// A Python that can run the verifier.
#[derive(Clone)]
pub struct Python {
    program: PathBuf,
}

impl Python {
    /// `$PYTHON`; or else the one `make test` has set up, or the `python3` of the path; or why the last of them will
    /// not do.
    pub fn find() -> Result<Python, String> {
        if let Some(program) = std::env::var_os("PYTHON").filter(|program| !program.is_empty()) {
            return Python::usable(program.into());
        }
        let set_up = Python::usable(workspace().join("target/venv/bin/python"));
        set_up.or_else(|_| Python::usable("python3".into()))
    }

    fn usable(program: PathBuf) -> Result<Python, String> {
        let python = Python { program };
        let needs =
            "import sys; assert sys.version_info >= (3, 11), 'Python 3.11 is needed'; import blake3, xxhash";
        let name = python.program.display();
        match python.command(&["-c", needs]).output() {
            Err(error) => Err(format!("{name}: {error} (PYTHON may give another, by an absolute path)")),
            Ok(output) if !output.status.success() => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().last().unwrap_or("it fails").to_owned();
                Err(format!("{name}: {last} (`make test` gets what is needed, or try it as docs/auditor.md says)"))
            }
            Ok(_) => Ok(python),
        }
    }

    /// The tests that come with it.
    pub fn own_tests(&self) {
        let output = self.run(&["-m", "unittest", "discover"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("Ran 0 tests"), "{said}");
    }

    /// What it says of a disk; `None` if it cannot run.
    fn verify(&self, disk: &Path, kept: &Pinned) -> Option<Value> {
        let folder = TempDir::new().expect("a folder can be made");
        let mut arguments = vec!["verify.py".to_owned(), "--json".to_owned(), text_of(disk)];
        let checkpoints = kept.checkpoints.iter().map(|note| ("--checkpoint", note.to_string()));
        let keys = kept.keys.iter().map(|key| ("--key", key.to_string()));
        for (number, (option, text)) in checkpoints.chain(keys).enumerate() {
            let path = folder.path().join(number.to_string());
            std::fs::write(&path, text).expect("a file can be written");
            arguments.extend([option.to_owned(), text_of(&path)]);
        }
        let (code, said) = self.ended(&arguments);
        (code < 2).then(|| {
            let report: Value = serde_json::from_str(&said).expect("it prints JSON");
            assert_eq!(report["clean"], code == 0);
            report
        })
    }

    /// The exit code of one of its programs, 0 to 2, and what it printed.
    pub fn ended(&self, arguments: &[String]) -> (i32, String) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = self.run(&arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        let sound = if code == Some(2) { !complaint.contains("Traceback") } else { complaint.is_empty() };
        assert!(sound && matches!(code, Some(0..=2)), "it ended with {code:?}:\n{complaint}");
        (code.expect("just seen"), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("Python was found")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-B").args(arguments).current_dir(workspace().join("tests/reference-verifier"));
        command
    }
}

/// A path as an argument.
pub fn text_of(path: &Path) -> String {
    path.to_str().expect("a path of UTF-8").to_owned()
}

/// What both say of the disk, held against what was kept of it; `None` if both find no volume there.
pub fn agreed(python: &Python, disk: &Path, kept: &Pinned) -> Option<Value> {
    let rust = Image::open(disk, None).ok().map(|image| {
        let volumes = image.volumes.iter().map(|volume| verify(&image, volume, kept, |_, _| ())).collect();
        let mut report = Report::new(&image, volumes);
        report.add_missing(&image, kept);
        comparable(serde_json::to_value(report).expect("a report is JSON"))
    });
    let other = python.verify(disk, kept).map(comparable);
    let show = |report: &Option<Value>| serde_json::to_string_pretty(report).expect("JSON can be printed");
    assert!(rust == other, "Rust says:\n{}\nPython says:\n{}", show(&rust), show(&other));
    rust
}

/// A report without what is not of the format: words, the order of what was found, and how much was read.
fn comparable(mut report: Value) -> Value {
    for volume in report["volumes"].as_array_mut().expect("a list of volumes") {
        volume.as_object_mut().expect("a volume").remove("bytes_read");
    }
    let findings = report["findings"].as_array_mut().expect("a list of findings");
    for finding in findings.iter_mut() {
        finding.as_object_mut().expect("a finding").remove("text");
    }
    findings.sort_by_cached_key(Value::to_string);
    report
}
