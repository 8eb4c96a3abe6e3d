//! What an activity may use: the line's output, what is known of the appliance, and the way to the archives.

use totebox_link::Tracer;
use totebox_protocol::page::ArchiveState;

use super::archives::Archives;
use super::errors::Error;
use super::output::Output;
use super::submissions::Submissions;
use super::view::View;
use super::volumes::Volumes;

/// Everything that activities share.
pub struct Context {
    pub output: Output,
    pub view: View,
    pub archives: Archives,
    pub submissions: Submissions,
    pub volumes: Volumes,
    pub tracer: Tracer,
}

impl Context {
    /// Whether a program is at the line, in machine mode, and not a person.
    pub fn machine(&self) -> bool {
        self.output.is_checked()
    }

    /// Whether a request can go to this archive. Says why not.
    pub fn reaches(&mut self, link: usize) -> bool {
        let name = &self.volumes[link];
        if self.archives.is_closed(link) {
            let text = format_args!("archive {name} broke its protocol; its link is closed until the next start");
            self.output.error(Error::ArchiveBroken, None, text);
            return false;
        }
        self.view.refresh();
        let why = match self.view.state(link) {
            Some(ArchiveState::Starting) => "is still starting; try again in a moment",
            Some(ArchiveState::Suspended) => "is suspended: it takes and gives nothing until it is resumed",
            Some(ArchiveState::Faulted) => "was stopped by a fault; what it committed is on the disk, see status",
            // The others answer for themselves, and so may one the orchestrator says nothing of.
            _ => return true,
        };
        self.output.error(Error::NotActive, None, format_args!("archive {name} {why}"));
        false
    }

    /// Says that the operator no longer waits for something, and what becomes of it.
    pub fn stop_waiting(&mut self, and_now: &str) {
        self.output.error(Error::Cancelled, None, format_args!("no longer waiting; {and_now}"));
    }
}
