//! What is read from good descriptions.

use std::path::Path;

use totebox_sdf::{IrqSource, Perms, Place, System};

fn parse(xml: &str) -> System {
    System::parse(Path::new("test.system"), xml).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn values_and_defaults_are_the_microkit_tools() {
    let system = parse(
        "<?xml version='1.0'?>
<system>
  <!-- a comment -->
  <memory_region name='shared' size='0x1_000'/>
  <memory_region name='config' prefill_path='config.bin'/>
  <protection_domain name='parent' priority='5' budget='20' period='100' stack_size='0x4000'>
    <program_image path='parent.elf'/>
    <map mr='shared' vaddr='0x2000000' perms='r' cached='false' setvar_vaddr='where'/>
    <map mr='config' vaddr='4096'/>
    <irq irq='33' id='7' trigger='edge'/>
    <setvar symbol='paddr' region_paddr='shared'/>
    <protection_domain name='child' id='3'><program_image path='child.elf'/></protection_domain>
  </protection_domain>
  <channel><end pd='parent' id='0' notify='false'/><end pd='child' id='1' pp='true'/></channel>
</system>",
    );
    let [parent] = &system.protection_domains[..] else { panic!("one root") };
    let child = &parent.children[0];
    assert_eq!(system.region("shared").unwrap().size, Some(0x1000));
    assert_eq!(system.region("config").unwrap().size, None);
    assert_eq!(parent.place, Place { line: 6, column: 3 });
    assert_eq!(
        (parent.scheduling.priority, parent.scheduling.budget_us, parent.scheduling.period_us),
        (5, 20, 100)
    );
    assert_eq!(
        (child.scheduling.priority, child.scheduling.budget_us, child.scheduling.period_us),
        (0, 1000, 1000)
    );
    assert_eq!((parent.stack_size, child.stack_size), (0x4000, 0x2000));
    assert_eq!((parent.id, child.id), (None, Some(3)));
    assert_eq!(parent.maps[0].perms, Perms { read: true, ..Perms::default() });
    assert_eq!((parent.maps[0].vaddr, parent.maps[0].cached), (0x200_0000, false));
    assert_eq!(parent.maps[0].setvar_vaddr.as_deref(), Some("where"));
    assert_eq!((parent.maps[1].perms.to_string(), parent.maps[1].cached), ("rw".into(), true));
    assert_eq!(parent.irqs[0].source, IrqSource::Line { irq: 33, edge: true });
    assert_eq!(parent.setvars[0].region_paddr, "shared");
    let ends = &system.channels[0].ends;
    assert_eq!((ends[0].notify, ends[0].pp, ends[1].notify, ends[1].pp), (false, false, true, true));
    let all: Vec<_> = system.all_protection_domains();
    assert_eq!(all[1].0.name, "child");
    assert_eq!(all[1].1.unwrap().name, "parent");
    assert_eq!(system.protection_domain("child").unwrap().program_image, "child.elf");
    assert!(!system.is_for_x86());
}

#[test]
fn x86_and_virtual_machines_are_read_too() {
    let system = parse(
        "<system>
  <memory_region name='ram' size='0x200000'/>
  <protection_domain name='vmm'>
    <program_image path='vmm.elf'/>
    <ioport id='2' addr='0x3f8' size='8'/>
    <irq id='1' pin='4' vector='5' polarity='low'/>
    <irq id='0' pcidev='1:2.3' handle='6' vector='7'/>
    <virtual_machine name='linux' priority='2'>
      <vcpu id='9'/>
      <map mr='ram' vaddr='0x40000000' perms='rwx'/>
    </virtual_machine>
    <cspace><cap_tcb pd='vmm' slot='4'/></cspace>
  </protection_domain>
  <io_address_space name='nic' peripheral_id='1:2.3' domain_id='1'>
    <iomap mr='ram' iovaddr='0x1000' perms='r'/>
  </io_address_space>
</system>",
    );
    let vmm = &system.protection_domains[0];
    assert_eq!((vmm.ioports[0].addr, vmm.ioports[0].size), (0x3f8, 8));
    assert_eq!(vmm.irqs[0].source, IrqSource::IoApic { ioapic: 0, pin: 4, vector: 5, edge: false, low: true });
    let vm = vmm.virtual_machine.as_ref().unwrap();
    assert_eq!((vm.vcpus[0].id, vm.maps[0].perms.to_string()), (9, "rwx".into()));
    assert_eq!(vmm.caps[0].slot, 4);
    assert_eq!(system.io_address_spaces[0].maps[0].iovaddr, 0x1000);
    assert!(system.is_for_x86());
}
