//! Files that hold a disk image in a form that must be undone first: what they are, and how.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// What begins with which bytes, and what to do about it.
const FORMS: [(&[u8], &str, Undo); 13] = [
    (b"QFI\xfb", "a QEMU image of the format qcow2", Undo::Convert),
    (b"QED\0", "a QEMU image of the format QED", Undo::Convert),
    (b"KDMV", "a VMware image (VMDK)", Undo::Convert),
    (b"COWD", "a VMware image (VMDK)", Undo::Convert),
    (b"# Disk DescriptorFile", "the description of a VMware image (VMDK)", Undo::Convert),
    (b"conectix", "a Virtual PC image (VHD)", Undo::Convert),
    (b"vhdxfile", "a Hyper-V image (VHDX)", Undo::Convert),
    (b"\x1f\x8b", "compressed with gzip", Undo::Expand("gzip -dc")),
    (b"\xfd7zXZ\0", "compressed with xz", Undo::Expand("xz -dc")),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", Undo::Expand("zstd -dc")),
    (b"BZh", "compressed with bzip2", Undo::Expand("bzip2 -dc")),
    (b"\x04\x22\x4d\x18", "compressed with lz4", Undo::Expand("lz4 -dc")),
    (b"PK\x03\x04", "a ZIP archive", Undo::Expand("unzip -p")),
];

/// VirtualBox's signature stands behind a text of 64 bytes.
const VIRTUALBOX: (u64, &[u8], &str) = (64, b"\x7f\x10\xda\xbe", "a VirtualBox image (VDI)");

enum Undo {
    /// By QEMU's own tool.
    Convert,
    /// By a program that writes what it expands to its standard output.
    Expand(&'static str),
}

/// What the file is, if it is such a one.
pub fn name(file: &File) -> Option<&'static str> {
    form(file).map(|(what, _)| what)
}

/// What the file is, if it is such a one, and how to get at the disk image in it.
pub fn describe(file: &File) -> Option<String> {
    let (what, undo) = form(file)?;
    Some(match undo {
        Undo::Convert => format!("{what}: make a plain image of it with `qemu-img convert -O raw FILE disk.img`"),
        Undo::Expand(program) => format!("{what}: make a plain image of it with `{program} FILE > disk.img`"),
    })
}

fn form(file: &File) -> Option<(&'static str, &'static Undo)> {
    let begins = |at: u64, signature: &[u8]| {
        let mut bytes = vec![0; signature.len()];
        file.read_exact_at(&mut bytes, at).is_ok() && bytes == signature
    };
    let form = FORMS.iter().find(|(signature, ..)| begins(0, signature));
    let virtualbox = begins(VIRTUALBOX.0, VIRTUALBOX.1).then_some((VIRTUALBOX.2, &Undo::Convert));
    form.map(|(_, what, undo)| (*what, undo)).or(virtualbox)
}
