//! Why a domain cannot be built from its manifest: the deployment and the program image do not belong
//! together. Nothing at run time leads here.

use totebox_manifest::{DeviceKind, LinkKind, Role};

/// What the manifest lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    Role(Role),
    /// No link of this kind to this peer, or its regions are missing or too small.
    Link(Role, LinkKind),
    Device(DeviceKind),
    /// No driver, or one that the program does not have.
    Driver(DeviceKind),
    Volumes,
    /// No signing key, or one that no archive can have.
    Key,
}

impl core::fmt::Display for SetupError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            SetupError::Role(role) => write!(f, "the manifest is of another role: {role:?}"),
            SetupError::Link(peer, kind) => write!(f, "the manifest has no usable {kind:?} link to {peer:?}"),
            SetupError::Device(kind) => write!(f, "the manifest has no {kind:?}"),
            SetupError::Driver(kind) => write!(f, "the program has no driver of the {}", kind.name()),
            SetupError::Volumes => write!(f, "the manifest has no volume, or too many"),
            SetupError::Key => write!(f, "there is no usable signing key"),
        }
    }
}

impl core::error::Error for SetupError {}
