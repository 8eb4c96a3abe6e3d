//! The host tool, called as a user calls it.

use std::process::{Command, Output};

use super::{Site, workspace};

/// `totebox` with an appliance to connect to.
pub struct Tool<'a> {
    site: &'a Site,
}

/// What a call of the tool came to.
#[derive(Debug)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Tool<'_> {
    pub(super) fn new(site: &Site) -> Tool<'_> {
        Tool { site }
    }

    /// `totebox COMMAND ARGUMENTS... --connect unix:…`.
    pub fn call(&self, arguments: &[&str]) -> Answer {
        let connect = format!("unix:{}", self.site.socket.display());
        let mut all = arguments.to_vec();
        all.extend(["--connect", &connect]);
        self.offline(&all)
    }

    /// `totebox COMMAND ARGUMENTS...`, without an appliance.
    pub fn offline(&self, arguments: &[&str]) -> Answer {
        let program = workspace().join("target/release/totebox");
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(self.site.folder.path());
        let Output { status, stdout, stderr } = command
            .output()
            .unwrap_or_else(|error| panic!("{}: {error} (`make build` makes it)", program.display()));
        Answer {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }
}

impl Answer {
    /// The answer, if the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Answer {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}
