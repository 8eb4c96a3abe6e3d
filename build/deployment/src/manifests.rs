//! Writes what the build fills into regions: the manifests, which tell each protection domain about itself, and
//! the signing keys.

use std::path::Path;

use anyhow::Result;
use totebox_manifest::{Device, Header, KnownVolumes, Link, MANIFEST_SIZE, NO_CHANNEL, Region, Volume, encode};

use crate::graph::{self, Graph, Pd, RegionIndex};
use crate::volume::padded;
use crate::{Deployment, TICK_HZ};
use totebox_common::files::write_secret;

impl Deployment {
    /// The manifest of every protection domain, by the domain's name, each exactly [`MANIFEST_SIZE`]
    /// bytes. `system.xml` expects them in files `NAME.manifest`.
    pub fn manifests(&self) -> Vec<(String, Vec<u8>)> {
        let graph = self.graph();
        graph.pds.iter().map(|pd| (pd.name.clone(), self.manifest(&graph, pd))).collect()
    }

    /// Writes everything `system.xml` fills regions with into a directory: the manifest of every protection
    /// domain as `NAME.manifest`, and what a domain signs with as `NAME.key`, for their owner alone.
    /// Beside them, for who builds the image, the name of the board in the Microkit SDK as `board`. Returns how many
    /// manifests.
    pub fn write_manifests(&self, directory: &Path) -> Result<usize> {
        let (keys, manifests) = (Deployment::key_regions(&self.keys()?), self.manifests());
        // The archives come first, and in the order of their volumes.
        let graph = self.graph();
        for (pd, key) in graph.pds.iter().filter(|pd| pd.signing_key.is_some()).zip(&keys) {
            write_secret(&directory.join(format!("{}.key", pd.name)), key, true)?;
        }
        write_secret(&directory.join("board"), format!("{}\n", self.board.microkit).as_bytes(), true)?;
        for (pd, bytes) in &manifests {
            write_secret(&directory.join(format!("{pd}.manifest")), bytes, true)?;
        }
        Ok(manifests.len())
    }

    fn manifest(&self, graph: &Graph, pd: &Pd) -> Vec<u8> {
        let header = Header {
            magic: Header::MAGIC,
            role: pd.role as u8,
            index: pd.index,
            links: 0,
            volumes: 0,
            devices: 0,
            archives: self.archives.len() as u8,
            reserved: [0; 2],
            deployment: self.id,
            deployment_name: padded(&self.name),
            tick_hz: TICK_HZ.into(),
            audit_period_s: self.audit.period_s.into(),
            audit_full_every: self.audit.full_every.into(),
            reserved_tail: 0.into(),
            signing_key: encode_region(graph, pd.signing_key),
        };
        let links: Vec<Link> = pd.links.iter().map(|link| encode_link(graph, link)).collect();
        let devices: Vec<Device> = pd.devices.iter().map(|device| encode_device(graph, device)).collect();
        let mut bytes = Vec::with_capacity(MANIFEST_SIZE);
        encode(&header, &links, &self.volumes_of(pd), &devices, |part| bytes.extend_from_slice(part));
        assert!(bytes.len() <= MANIFEST_SIZE, "a manifest's tables fit its region");
        bytes.resize(MANIFEST_SIZE, 0);
        bytes
    }

    fn volumes_of(&self, pd: &Pd) -> Vec<Volume> {
        let known = match pd.role.info().volumes {
            KnownVolumes::None => 0..0,
            KnownVolumes::Own => usize::from(pd.index)..usize::from(pd.index) + 1,
            KnownVolumes::All => 0..self.volumes.len(),
        };
        let encode = |index: usize| Volume {
            first_block: self.volumes[index].first_block.into(),
            superblock: self.volumes[index].superblock(),
            // The audit volume has no policy: it is no archive.
            on_mismatch: self.archives.get(index).map_or(0, |archive| archive.on_mismatch as u8),
            reserved: [0; 7],
        };
        known.map(encode).collect()
    }
}

fn encode_link(graph: &Graph, link: &graph::Link) -> Link {
    let peer = graph.pd(link.peer);
    Link {
        peer: peer.role as u8,
        peer_index: peer.index,
        channel: link.channel.unwrap_or(NO_CHANNEL),
        child: link.child.unwrap_or(NO_CHANNEL),
        kind: link.kind as u8,
        reserved: [0; 3],
        mine: encode_region(graph, link.mine),
        theirs: encode_region(graph, link.theirs),
    }
}

fn encode_region(graph: &Graph, region: Option<RegionIndex>) -> Region {
    region.map_or(Region::default(), |index| {
        let region = graph.region(index);
        Region { vaddr: region.vaddr.into(), size: region.size.into() }
    })
}

fn encode_device(graph: &Graph, device: &graph::Device) -> Device {
    let region = device.region.map_or(Region::default(), |(index, offset)| {
        let region = graph.region(index);
        Region { vaddr: (region.vaddr + offset).into(), size: (region.size - offset).into() }
    });
    Device {
        kind: device.kind as u8,
        irq_channel: device.irq.map_or(NO_CHANNEL, |irq| irq.channel),
        driver: device.driver.map_or(0, |driver| driver.number),
        reserved: [0; 5],
        region,
    }
}
