//! What an operator can let become of an archive.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Suspend,
    Resume,
    Archive,
}

impl Change {
    pub const fn name(self) -> &'static str {
        match self {
            Change::Suspend => "suspend",
            Change::Resume => "resume",
            Change::Archive => "archive",
        }
    }
}
