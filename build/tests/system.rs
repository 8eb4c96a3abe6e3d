//! What is generated from a deployment: complete, the same every time, and true to the isolation the
//! design promises. Read back with the reader of system descriptions, so that nothing is taken on trust.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use common::{deployment, with_archives};
use totebox_deployment::Deployment;
use totebox_manifest::{ARCHIVES_MAX, DeviceKind, MANIFEST_SIZE, Manifest, NO_CHANNEL, PDS_MAX, Region, Role};
use totebox_sdf::{ID_MAX, IrqSource, Perms, ProtectionDomain, System};

const RW: Perms = Perms { read: true, write: true, execute: false };
const R: Perms = Perms { read: true, write: false, execute: false };

fn read_back(deployment: &Deployment) -> System {
    System::parse(Path::new("system.xml"), &deployment.system_xml()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn names(system: &System) -> Vec<&ProtectionDomain> {
    system.all_protection_domains().into_iter().map(|(pd, _)| pd).collect()
}

#[test]
fn the_committed_system_description_is_not_stale() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let committed = std::fs::read_to_string(root.join("system.xml")).unwrap();
    let expected = Deployment::load(root).unwrap().system_xml();
    assert!(committed == expected, "system.xml is stale: `totebox system` writes it anew");
}

#[test]
fn the_same_deployment_gives_the_same_bytes() {
    let (a, b) = (deployment(&with_archives(40)), deployment(&with_archives(40)));
    assert_eq!(a.system_xml(), b.system_xml());
    assert_eq!(a.manifests(), b.manifests());
}

#[test]
fn every_region_has_one_writer_and_every_map_its_perms() {
    for archives in [1, 3, 40, ARCHIVES_MAX] {
        let deployment = deployment(&with_archives(archives));
        let system = read_back(&deployment);
        let mut writers: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut archives_that_map: HashMap<&str, usize> = HashMap::new();
        for pd in names(&system) {
            for map in &pd.maps {
                let region = system.region(&map.region).unwrap();
                let registers = region.phys_addr.is_some();
                assert!([R, RW].contains(&map.perms), "{}: {}", pd.name, map.region);
                assert_eq!(map.cached, !registers, "{}: {}", pd.name, map.region);
                if map.perms.write {
                    writers.entry(&map.region).or_default().push(&pd.name);
                }
                if pd.name.starts_with("archive-") {
                    *archives_that_map.entry(&map.region).or_default() += 1;
                }
            }
        }
        for region in &system.regions {
            let expected = usize::from(region.prefill_path.is_none());
            assert_eq!(writers.get(region.name.as_str()).map_or(0, Vec::len), expected, "{}", region.name);
        }
        assert!(archives_that_map.values().all(|&archives| archives == 1), "a frame in two archives");
        let maps = deployment.system_xml().lines().filter(|line| line.contains("<map ")).count();
        let perms = deployment.system_xml().lines().filter(|line| line.contains(" perms=\"")).count();
        assert_eq!(maps, perms);
    }
}

#[test]
fn regions_never_touch_and_leave_room_below_the_stack() {
    /// Where Microkit puts the top of a stack on AArch64, at the lowest.
    const STACKS: u64 = 1 << 39;
    let system = read_back(&deployment(&with_archives(ARCHIVES_MAX)));
    let mut addresses: HashMap<&str, u64> = HashMap::new();
    for pd in names(&system) {
        let place = |map: &totebox_sdf::Map| (map.vaddr, system.region(&map.region).unwrap().size.unwrap());
        let mut maps: Vec<_> = pd.maps.iter().map(place).collect();
        maps.sort();
        for pair in maps.windows(2) {
            assert!(pair[0].0 + pair[0].1 < pair[1].0, "{}: no guard page behind {:#x}", pd.name, pair[0].0);
        }
        let (vaddr, size) = maps.last().unwrap();
        assert!(maps[0].0 >= 0x10_0000_0000 && vaddr + size < STACKS - pd.stack_size, "{}", pd.name);
        for map in &pd.maps {
            assert_eq!(*addresses.entry(&map.region).or_insert(map.vaddr), map.vaddr, "{}", map.region);
        }
    }
}

#[test]
fn names_are_distinct_and_without_underscores() {
    let system = read_back(&deployment(&with_archives(ARCHIVES_MAX)));
    let regions = system.regions.iter().map(|region| region.name.as_str());
    let all: Vec<&str> = regions.chain(names(&system).iter().map(|pd| pd.name.as_str())).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert!(all.iter().all(|name| !name.contains('_')));
}

#[test]
fn priorities_budgets_and_parenthood_are_the_designs() {
    let system = read_back(&deployment(&with_archives(3)));
    let priority = |name: &str| system.protection_domain(name).unwrap().scheduling.priority;
    let order = ["clock", "vault", "orchestrator", "console", "auditor", "archive-a0"].map(priority);
    assert!(order.is_sorted_by(|a, b| a > b), "{order:?}");
    for (pd, parent) in system.all_protection_domains() {
        assert!(pd.scheduling.budget_us > 0 && pd.scheduling.budget_us < pd.scheduling.period_us, "{}", pd.name);
        assert_eq!(parent.map(|parent| parent.name.as_str()), pd.id.map(|_| "orchestrator"), "{}", pd.name);
        assert_eq!(pd.name.starts_with("archive-"), parent.is_some(), "{}", pd.name);
    }
    let mut ends = system.channels.iter().flat_map(|channel| &channel.ends);
    assert!(ends.all(|end| !end.pp), "nobody waits in a call of another one");
}

#[test]
fn nothing_joins_the_auditor_to_the_console_or_to_an_archive_but_their_health() {
    let system = read_back(&deployment(&with_archives(3)));
    for channel in &system.channels {
        let [a, b] = channel.ends.each_ref().map(|end| end.pd.as_str());
        for (one, other) in [(a, b), (b, a)] {
            assert!(one != "auditor" || ["orchestrator", "vault"].contains(&other), "{one} and {other}");
        }
    }
    let auditor: BTreeSet<&str> = maps_of(&system, "auditor", false);
    let console: BTreeSet<&str> = maps_of(&system, "console", false);
    assert!(auditor.is_disjoint(&console));
    let archives = (0..3).flat_map(|i| maps_of(&system, &format!("archive-a{i}"), true));
    let read: BTreeSet<&str> = archives.filter(|region| auditor.contains(region)).collect();
    assert_eq!(read, BTreeSet::from(["archive-a0-health", "archive-a1-health", "archive-a2-health"]));
}

fn maps_of<'a>(system: &'a System, pd: &str, written: bool) -> BTreeSet<&'a str> {
    let maps = &system.protection_domain(pd).unwrap().maps;
    maps.iter().filter(|map| map.perms.write || !written).map(|map| map.region.as_str()).collect()
}

#[test]
fn the_largest_deployment_is_what_microkit_can_hold() {
    let largest = read_back(&deployment(&with_archives(ARCHIVES_MAX)));
    assert_eq!(names(&largest).len(), PDS_MAX, "no protection domain is left");
    let ends = largest.channels.iter().flat_map(|channel| &channel.ends);
    assert_eq!(ends.map(|end| end.id).max(), Some(ID_MAX), "no channel id is left");
}

/// Everything a domain reads in its manifest must be what the system description gives it.
#[test]
fn manifests_agree_with_the_system_description() {
    for archives in [1, 3, ARCHIVES_MAX] {
        let deployment = deployment(&with_archives(archives));
        let system = read_back(&deployment);
        let manifests = deployment.manifests();
        assert_eq!(manifests.len(), names(&system).len());
        for (name, bytes) in &manifests {
            assert_eq!(bytes.len(), MANIFEST_SIZE);
            let pd = system.protection_domain(name).unwrap();
            let manifest = Manifest::parse(bytes).unwrap();
            let at = |region: Region, perms: Perms| {
                let map = pd.maps.iter().find(|map| map.vaddr == region.vaddr.get());
                let map = map.unwrap_or_else(|| panic!("{name}: nothing at {:#x}", region.vaddr.get()));
                assert_eq!(map.perms, perms, "{name}: {}", map.region);
                let size = system.region(&map.region).unwrap().size.unwrap();
                assert_eq!(size, region.size.get(), "{name}: {}", map.region);
                map.region.as_str()
            };
            let own = pd.maps.iter().find(|map| map.setvar_vaddr.as_deref() == Some("manifest_vaddr")).unwrap();
            let file = system.region(&own.region).unwrap().prefill_path.as_deref();
            assert_eq!(file, Some(format!("{name}.manifest").as_str()));
            assert_eq!(own.perms, R);
            for link in manifest.links() {
                let peer = peer_name(link.peer, link.peer_index);
                let other = system.protection_domain(&peer).unwrap();
                // What the orchestrator notes it reads itself.
                let read = if peer == *name { RW } else { R };
                for (region, perms, theirs) in [(link.mine, RW, read), (link.theirs, read, RW)] {
                    if region != Region::default() {
                        let region = at(region, perms);
                        let map = other.maps.iter().find(|map| map.region == region).unwrap();
                        assert_eq!(map.perms, theirs, "{peer}: {region}");
                    }
                }
                if link.channel != NO_CHANNEL {
                    let is = |end: &totebox_sdf::End| end.pd == *name && end.id == link.channel;
                    let channel = system.channels.iter().find(|channel| channel.ends.iter().any(is)).unwrap();
                    assert!(channel.ends.iter().any(|end| end.pd == peer), "{name} and {peer}");
                }
                if link.child != NO_CHANNEL {
                    assert_eq!(other.id, Some(link.child));
                }
            }
        }
    }
}

#[test]
fn a_key_is_filled_into_a_region_that_who_signs_with_it_alone_reads() {
    let deployment = deployment(&with_archives(2));
    let (system, manifests) = (read_back(&deployment), deployment.manifests());
    for (name, bytes) in &manifests {
        let key = Manifest::parse(bytes).unwrap().header().signing_key;
        if !name.starts_with("archive-") && name != "auditor" {
            assert_eq!(key.size.get(), 0, "{name}");
            continue;
        }
        let region = system.region(&format!("{name}-key")).unwrap();
        assert_eq!(region.prefill_path.as_deref(), Some(format!("{name}.key").as_str()));
        assert_eq!(region.size, Some(key.size.get()));
        let all = system.all_protection_domains();
        let maps = all.iter().flat_map(|(pd, _)| pd.maps.iter().map(|map| (pd.name.as_str(), map)));
        let maps: Vec<_> = maps.filter(|(_, map)| map.region == region.name).collect();
        let [(reader, map)] = maps[..] else { panic!("{} is mapped {} times", region.name, maps.len()) };
        assert_eq!((reader, map.vaddr, map.perms.write), (name.as_str(), key.vaddr.get(), false));
    }
}

#[test]
fn devices_are_where_the_board_has_them() {
    let deployment = deployment(&with_archives(2));
    let (system, manifests) = (read_back(&deployment), deployment.manifests());
    // Domain, device, its registers on the board, its interrupt.
    let devices = [
        ("vault", DeviceKind::Disk, Some(0xa00_3e00), Some(79)),
        ("vault", DeviceKind::DmaMemory, None, None),
        ("console", DeviceKind::Uart, Some(0x900_0000), Some(33)),
        ("clock", DeviceKind::Rtc, Some(0x901_0000), None),
        ("clock", DeviceKind::Timer, None, Some(30)),
    ];
    for (name, kind, registers, interrupt) in devices {
        let pd = system.protection_domain(name).unwrap();
        let bytes = &manifests.iter().find(|(pd, _)| pd == name).unwrap().1;
        let device = Manifest::parse(bytes).unwrap().device(kind).copied().unwrap();
        let irq = pd.irqs.iter().find(|irq| irq.id == device.irq_channel);
        let expected = interrupt.map(|irq| IrqSource::Line { irq, edge: false });
        assert_eq!(irq.map(|irq| irq.source.clone()), expected, "{kind:?}");
        assert_eq!(device.irq_channel == NO_CHANNEL, interrupt.is_none(), "{kind:?}");
        let page = device.region.vaddr.get() & !0xfff;
        let map = pd.maps.iter().find(|map| map.vaddr == page);
        let region = map.map(|map| system.region(&map.region).unwrap());
        let offset = device.region.vaddr.get() - page;
        assert_eq!(region.and_then(|region| region.phys_addr).map(|page| page + offset), registers, "{kind:?}");
    }
    let vault = system.protection_domain("vault").unwrap();
    let [setvar] = &vault.setvars[..] else { panic!("one setvar") };
    assert_eq!((setvar.symbol.as_str(), setvar.region_paddr.as_str()), ("dma_paddr", "vault-dma"));
    assert_eq!(system.region("vault-dma").unwrap().size, Some(4 << 20));
}

fn peer_name(role: u8, index: u8) -> String {
    match Role::from_u8(role).unwrap() {
        Role::Archive => format!("archive-a{index}"),
        Role::Orchestrator => "orchestrator".into(),
        Role::Auditor => "auditor".into(),
        Role::Vault => "vault".into(),
        Role::Console => "console".into(),
        Role::Clock => "clock".into(),
    }
}

#[test]
fn each_domain_has_the_conversations_it_is_written_for() {
    let deployment = deployment(&with_archives(2));
    let manifests = deployment.manifests();
    let links = |name: &str| {
        let bytes = &manifests.iter().find(|(pd, _)| pd == name).unwrap().1;
        let manifest = Manifest::parse(bytes).unwrap();
        let show = |link: &totebox_manifest::Link| {
            let kind = ["queue", "page", "trace"][usize::from(link.kind)];
            let channel = if link.channel == NO_CHANNEL { "" } else { " channel" };
            let (mine, theirs) = (link.mine.size.get() > 0, link.theirs.size.get() > 0);
            let flow = ["none", "writes", "reads", "both"][usize::from(mine) + 2 * usize::from(theirs)];
            format!("{} {kind} {flow}{channel}", peer_name(link.peer, link.peer_index))
        };
        let mut links: Vec<String> = manifest.links().iter().map(show).collect();
        links.sort();
        links
    };
    assert_eq!(
        links("archive-a1"),
        [
            "auditor page writes",
            "clock page reads",
            "console queue both channel",
            "orchestrator page both channel",
            "orchestrator trace writes",
            "vault queue both channel"
        ]
    );
    assert_eq!(
        links("orchestrator"),
        [
            "archive-a0 page both channel",
            "archive-a0 trace reads",
            "archive-a1 page both channel",
            "archive-a1 trace reads",
            "auditor queue both channel",
            "auditor trace reads",
            "clock page reads channel",
            "clock trace reads",
            "console page writes",
            "console queue both channel",
            "console trace reads",
            "orchestrator trace both",
            "vault page reads",
            "vault queue both channel",
            "vault trace reads",
        ]
    );
    assert_eq!(
        links("auditor"),
        [
            "archive-a0 page reads",
            "archive-a1 page reads",
            "clock page reads",
            "orchestrator queue both channel",
            "orchestrator trace writes",
            "vault queue both channel",
        ]
    );
    assert_eq!(
        links("vault"),
        [
            "archive-a0 queue both channel",
            "archive-a1 queue both channel",
            "auditor queue both channel",
            "orchestrator page writes",
            "orchestrator queue both channel",
            "orchestrator trace writes",
        ]
    );
    assert_eq!(
        links("console"),
        [
            "archive-a0 queue both channel",
            "archive-a1 queue both channel",
            "clock page reads channel",
            "orchestrator page reads",
            "orchestrator queue both channel",
            "orchestrator trace writes",
        ]
    );
    assert_eq!(
        links("clock"),
        [
            "archive-a0 page writes",
            "archive-a1 page writes",
            "auditor page writes",
            "console page writes channel",
            "orchestrator page writes channel",
            "orchestrator trace writes",
        ]
    );
}

#[test]
fn each_domain_knows_the_volumes_it_needs() {
    let deployment = deployment(&with_archives(3));
    for (name, bytes) in deployment.manifests() {
        let manifest = Manifest::parse(&bytes).unwrap();
        let volumes: Vec<&str> = manifest.volumes().iter().map(|volume| volume.name()).collect();
        match name.as_str() {
            "clock" => assert_eq!(volumes, [""; 0]),
            "archive-a1" => assert_eq!(volumes, ["a1"]),
            "vault" | "auditor" | "console" | "orchestrator" => assert_eq!(volumes, ["a0", "a1", "a2", "audit"]),
            _ => assert_eq!(volumes.len(), 1),
        }
    }
}
