//! One bad description per error, with the whole message asserted.

use std::path::Path;

use totebox_sdf::{DOMAINS_MAX, IO_SPACES_MAX, System};

/// The errors of a description whose elements stand in lines 2 and following of `bad.system`.
fn errors(elements: &str) -> Vec<String> {
    let xml = format!("<system>\n{elements}\n</system>");
    let errors = System::parse(Path::new("bad.system"), &xml).expect_err(elements);
    errors.0.iter().map(ToString::to_string).collect()
}

/// A protection domain called `p` with more elements inside.
fn in_pd(elements: &str) -> String {
    format!("<protection_domain name='p'><program_image path='p.elf'/>\n{elements}\n</protection_domain>")
}

#[test]
fn what_no_system_has_so_many_of_is_refused() {
    let domain = |n| format!("<protection_domain name='p{n}'><program_image path='p.elf'/></protection_domain>\n");
    let domains: String = (0..DOMAINS_MAX + 2).map(domain).collect();
    assert_eq!(errors(&domains), ["bad.system:65:1: too many protection domains: a system has 63 at most"]);
    let space = |n| format!("<io_address_space name='s{n}' peripheral_id='1'/>\n");
    let spaces: String = (0..=IO_SPACES_MAX).map(space).collect();
    assert_eq!(errors(&spaces), ["bad.system:258:1: too many IO address spaces: a system has 256 at most"]);
    let attributes: String = (0..5000).map(|n| format!(" a{n}='1'")).collect();
    let too_long = "2:2: more than 32768 bytes without a `<`; make the tag, text or comment shorter";
    assert_eq!(errors(&format!("<memory_region{attributes}/>")), [format!("bad.system:{too_long}")]);
}

#[test]
fn every_error_says_where_what_and_what_was_expected() {
    let cases = [
        ("<memory/>".into(), "2:1: unknown element <memory> in <system>"),
        (
            "<memory_region name='a' size='0x1000' color='red'/>".into(),
            "2:39: unknown attribute 'color' on <memory_region> (known: name, size, page_size, phys_addr, prefill_path, prefill_bootinfo)",
        ),
        (
            "<memory_region name='a'/>".into(),
            "2:1: <memory_region> lacks the attribute 'size' (only a prefilled region may)",
        ),
        (
            "<memory_region name='a' size='4k'/>".into(),
            "2:25: attribute 'size' of <memory_region> is '4k'; expected a number, decimal or 0x hexadecimal",
        ),
        (
            "<memory_region name='a' size='1' prefill_path='f' prefill_bootinfo='fdt'/>".into(),
            "2:1: a region is filled from prefill_path or from prefill_bootinfo, not from both",
        ),
        (
            "<memory_region name='a' size='1'/>\n<memory_region name='a' size='1'/>".into(),
            "3:1: the memory region name 'a' is taken by line 2",
        ),
        (
            "<memory_region name='a&#10;b&#x202E;' size='1'/>".into(),
            r#"2:16: attribute 'name' of <memory_region> is 'a\x0ab\xe2\x80\xae'; expected printable characters other than ' " and `"#,
        ),
        (
            "<memory_region name='a&apos; and &apos;b' size='1'/>".into(),
            "2:16: attribute 'name' of <memory_region> is 'a' and 'b'; expected printable characters other than ' \" and `",
        ),
        ("<protection_domain name='p'/>".into(), "2:1: protection domain 'p' has 0 <program_image>; expected one"),
        (
            "<protection_domain><program_image path='p'/></protection_domain>".into(),
            "2:1: <protection_domain> lacks the attribute 'name'",
        ),
        (
            "<protection_domain name='p' id='1'><program_image path='p'/></protection_domain>".into(),
            "2:29: unknown attribute 'id' on <protection_domain> (known: name, priority, budget, period, passive, stack_size, smc, cpu, domain, fpu)",
        ),
        (
            "<protection_domain name='p' priority='255'><program_image path='p'/></protection_domain>".into(),
            "2:29: attribute 'priority' of <protection_domain> is '255'; expected a number from 0 to 254",
        ),
        (
            "<protection_domain name='p' budget='20' period='10'><program_image path='p'/></protection_domain>"
                .into(),
            "2:1: budget (20) is larger than period (10)",
        ),
        (
            "<protection_domain name='p' domain='d'><program_image path='p'/></protection_domain>".into(),
            "2:1: there is no scheduling domain named 'd'",
        ),
        (in_pd("<map mr='a' vaddr='0x1000'/>"), "3:1: there is no memory region named 'a'"),
        (in_pd("<map mr='a'/>"), "3:1: <map> lacks the attribute 'vaddr'"),
        (
            in_pd("<map mr='a' vaddr='0' perms='ro'/>"),
            "3:23: attribute 'perms' of <map> is 'ro'; expected a combination of the letters rwx",
        ),
        (
            in_pd("<map mr='a' vaddr='0' cached='no'/>"),
            "3:23: attribute 'cached' of <map> is 'no'; expected 'true' or 'false'",
        ),
        (
            in_pd("<irq id='0'/>"),
            "3:1: <irq> says no interrupt: it lacks 'irq' (ARM, RISC-V), or 'pin' or 'pcidev' (x86)",
        ),
        (
            in_pd("<irq irq='33' id='62'/>"),
            "3:15: attribute 'id' of <irq> is '62'; expected a decimal number from 0 to 61",
        ),
        (in_pd("<irq irq='0x21' id='1'/>"), "3:6: attribute 'irq' of <irq> is '0x21'; expected a decimal number"),
        (in_pd("<irq irq='33' id='1'/>\n<irq irq='34' id='1'/>"), "4:1: channel id 1 of 'p' is taken by line 3"),
        (in_pd("<setvar symbol='s' region_paddr='a'/>"), "3:1: there is no memory region named 'a'"),
        (
            in_pd("<protection_domain name='c'><program_image path='c'/></protection_domain>"),
            "3:1: <protection_domain> lacks the attribute 'id'",
        ),
        (
            in_pd(
                "<protection_domain name='c' id='1'><program_image path='c'/></protection_domain>\n\
                <protection_domain name='d' id='1'><program_image path='c'/></protection_domain>",
            ),
            "4:1: child id 1 of 'p' is taken by line 3",
        ),
        (in_pd("<cspace><cap_tcb pd='q' slot='1'/></cspace>"), "3:9: there is no protection domain named 'q'"),
        (in_pd("<cspace><cap_irq pd='p' slot='1'/></cspace>"), "3:9: unknown element <cap_irq> in <cspace>"),
        (in_pd("<virtual_machine name='v'/>"), "3:1: <virtual_machine> has no <vcpu>"),
        (in_pd("words"), "2:58: text inside <protection_domain>: only elements may stand here"),
        ("<virtual_machine name='v'/>".into(), "2:1: <virtual_machine> must stand in a <protection_domain>"),
        (in_pd("") + "<channel><end pd='p' id='1'/></channel>", "4:21: a <channel> has exactly two <end>"),
        (
            in_pd("") + "<channel><end pd='p' id='1'/><end pd='q' id='1'/></channel>",
            "4:50: there is no protection domain named 'q'",
        ),
        (
            in_pd("") + "<channel><end pd='p' id='1' pp='true'/><end pd='p' id='2' pp='true'/></channel>",
            "4:21: protected calls can go one way only: 'pp' on one end at most",
        ),
        ("<domains><domain name='d'/></domains>".into(), "2:1: <domains> has 0 <domain_schedule>; expected one"),
        (
            "<domains><domain_schedule><schedule_entry domain='d' duration='5 ms'/></domain_schedule></domains>"
                .into(),
            "2:27: duration '5 ms'; expected for example '1000 us' or '1000 ticks'",
        ),
    ];
    for (elements, expected) in cases {
        assert_eq!(errors(&elements), [format!("bad.system:{expected}")], "{elements}");
    }
}

#[test]
fn all_errors_are_reported_in_the_order_of_the_file() {
    let found = errors("<nonsense/>\n<memory_region name='a' size='x'/>\n<channel/>");
    assert_eq!(
        found,
        [
            "bad.system:2:1: unknown element <nonsense> in <system>",
            "bad.system:3:25: attribute 'size' of <memory_region> is 'x'; expected a number, decimal or 0x hexadecimal",
            "bad.system:4:1: a <channel> has exactly two <end>",
        ]
    );
}

#[test]
fn what_is_not_a_system_description_is_refused() {
    let error = |xml| System::parse(Path::new("bad.system"), xml).unwrap_err().to_string();
    assert_eq!(
        error("<system>"),
        "bad.system:1:1: not well-formed XML: the root node was opened but never closed"
    );
    assert_eq!(error("<html/>"), "bad.system:1:1: the root element is <html>; expected <system>");
}

#[test]
fn nesting_without_end_is_an_error_and_not_an_overflow() {
    let open = "<protection_domain name='p' id='1'><program_image path='p'/>".repeat(500);
    let xml = format!("<system>{open}{}</system>", "</protection_domain>".repeat(500));
    let errors = System::parse(Path::new("deep.system"), &xml).unwrap_err();
    let deep = errors.0.iter().filter(|error| error.message == "protection domains are nested more than 62 deep");
    assert_eq!(deep.count(), 1);
}

#[test]
fn no_text_makes_the_reader_panic() {
    let file = Path::new("bad.system");
    let text = "<system><memory_region name='a' size='0x1_000' phys_addr='4096'/>\
        <protection_domain name='p' priority='5' budget='20' period='100'><program_image path='p'/>\
        <map mr='a' vaddr='0x1000' perms='rw' cached='true'/><irq irq='33' id='1'/>\
        <protection_domain name='c' id='2'><program_image path='c'/></protection_domain>\
        </protection_domain><channel><end pd='p' id='0'/><end pd='c' id='1' pp='true'/></channel></system>";
    assert!(System::parse(file, text).is_ok());
    let read = |text: &str| {
        if let Err(errors) = System::parse(file, text) {
            assert!(!errors.0.is_empty(), "{text}");
        }
    };
    for at in 0..text.len() {
        read(&text[..at]);
        for by in ["'", "<", "9", "\u{fffd}"] {
            read(&format!("{}{by}{}", &text[..at], &text[at + 1..]));
        }
    }
}
