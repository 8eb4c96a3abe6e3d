//! The socket at which the operator's tools reach the appliance.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use totebox_shown::ShowPath;

use totebox_deployment::Deployment;
use totebox_lock::is_left_behind;

/// Bytes of a socket's path at most: Linux's `sockaddr_un` has room for 108, one of them for the end.
const PATH_MAX: usize = 107;

/// A listening socket; dropping it removes it.
#[derive(Debug)]
pub struct ConsoleSocket {
    /// Gives one peer after the other; does not wait for them.
    pub listener: UnixListener,
    path: PathBuf,
}

impl ConsoleSocket {
    /// Listens at `path`, or where the deployment's tools look by default.
    pub fn open(deployment: &Deployment, path: Option<&Path>) -> Result<ConsoleSocket> {
        let path = path.map_or_else(|| default_console(deployment), Path::to_owned);
        let shown = path.shown();
        let length = path.as_os_str().as_bytes().len();
        ensure!(length <= PATH_MAX, "{shown} has {length} bytes; a socket's path has at most {PATH_MAX}");
        if path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket()) {
            ensure!(
                is_left_behind(&path),
                "{shown} is the console of another run; end that one, or give --console unix:PATH"
            );
            fs::remove_file(&path).with_context(|| format!("cannot remove {shown}"))?;
        }
        let listener = UnixListener::bind(&path).with_context(|| format!("cannot listen at {shown}"))?;
        listener.set_nonblocking(true)?;
        Ok(ConsoleSocket { listener, path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        // If it is gone already, all the better.
        let _ = fs::remove_file(&self.path);
    }
}

/// Where a deployment's console is if nobody says otherwise: in its run directory, or, if that is too deep
/// down for a socket, in the folder for temporary files.
pub fn default_console(deployment: &Deployment) -> PathBuf {
    let path = deployment.directory.join("target/run/console");
    if path.as_os_str().as_bytes().len() <= PATH_MAX {
        return path;
    }
    let id: String = deployment.id.iter().map(|byte| format!("{byte:02x}")).collect();
    std::env::temp_dir().join(format!("totebox-{id}"))
}
