//! The volumes' names: archive i's is the i-th, the audit record's the last.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Index;

use totebox_domain::SetupError;
use totebox_manifest::Manifest;

pub struct Volumes(Vec<String>);

impl Volumes {
    /// Those of this manifest, if it names one for each archive and one for the audit record.
    pub fn new(manifest: &Manifest<'_>) -> Result<Self, SetupError> {
        let names: Vec<String> = manifest.volumes().iter().map(|volume| volume.name().to_string()).collect();
        match names.len() == usize::from(manifest.header().archives) + 1 {
            true => Ok(Volumes(names)),
            false => Err(SetupError::Volumes),
        }
    }

    #[cfg(test)]
    pub fn named(names: &[&str]) -> Self {
        Volumes(names.iter().map(|name| name.to_string()).collect())
    }

    /// How many there are, the audit record's included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn archives(&self) -> usize {
        self.0.len() - 1
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The name of the volume with this number in a message, as far as there is one.
    pub fn get(&self, volume: u8) -> Option<&str> {
        self.0.get(usize::from(volume)).map(String::as_str)
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.iter().position(|known| known == name)
    }

    pub fn find_archive(&self, name: &str) -> Option<usize> {
        self.find(name).filter(|&volume| volume < self.archives())
    }
}

impl Index<usize> for Volumes {
    type Output = str;

    fn index(&self, volume: usize) -> &str {
        &self.0[volume]
    }
}
