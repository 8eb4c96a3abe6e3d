//! What frames are filled with: part of the specification in an image, and of no account for authority.

use std::ops::Range;

use rkyv::{Archive, Deserialize as Unarchive, Serialize as IntoArchive};

/// What a frame is filled with.
#[derive(Clone, Debug, PartialEq, Eq, Archive, IntoArchive, Unarchive)]
pub enum FrameInit {
    Fill(Fill),
    Embedded(EmbeddedFrame),
}

/// Pieces of content.
#[derive(Clone, Debug, PartialEq, Eq, Archive, IntoArchive, Unarchive)]
pub struct Fill {
    pub entries: Vec<FillEntry>,
}

/// A frame that is a page of the initialiser's own image.
#[derive(Clone, Debug, PartialEq, Eq, Archive, IntoArchive, Unarchive)]
pub struct EmbeddedFrame {
    pub index: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Archive, IntoArchive, Unarchive)]
pub struct FillEntry {
    pub range: Range<u64>,
    pub content: FillContent,
}

/// Where content comes from.
#[derive(Clone, Debug, PartialEq, Eq, Archive, IntoArchive, Unarchive)]
pub enum FillContent {
    Data(Data),
    BootInfo(BootInfo),
}

#[derive(Clone, Debug, PartialEq, Eq, Archive, IntoArchive, Unarchive)]
pub enum Data {
    Bytes(Bytes),
    DeflatedBytes(Bytes),
}

#[derive(Clone, Debug, PartialEq, Eq, Archive, IntoArchive, Unarchive)]
pub struct Bytes {
    pub bytes: Vec<u8>,
}

/// Content the kernel hands over when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Archive, IntoArchive, Unarchive)]
pub struct BootInfo {
    pub id: BootInfoId,
    pub offset: u64,
}

/// Which content the kernel hands over.
#[derive(Clone, Debug, PartialEq, Eq, Archive, IntoArchive, Unarchive)]
pub enum BootInfoId {
    Padding,
    X86Vbe,
    X86Mbmmap,
    X86AcpiRsdp,
    X86FrameBuffer,
    X86TscFreq,
    Fdt,
}
