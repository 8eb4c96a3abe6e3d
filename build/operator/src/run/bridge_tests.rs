//! The bridge with the test as appliance, operator and clients.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// Longer than any test runs: who holds the line keeps it.
const LONG: Duration = Duration::from_secs(3600);

/// What the console gets when a client takes the line.
const AWAY: &str = "\x0e\x03";

/// A bridge in a thread of its own, and the far ends of everything it joins.
struct Harness {
    appliance: UnixStream,
    keyboard: UnixStream,
    screen: UnixStream,
    said: UnixStream,
    signal: UnixStream,
    directory: TempDir,
    bridge: Option<JoinHandle<Result<End>>>,
}

impl Harness {
    /// A holder gives way at once, or keeps the line, depending on how much timeout there is.
    fn new(terminal: bool, exit_on_eof: bool, timeout: Duration) -> Harness {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("console")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let [(appliance, line), (keyboard, input), (screen, output), (said, notices), (signal, signals)] =
            [(); 5].map(|()| UnixStream::pair().unwrap());
        for near in [&line, &output, &notices] {
            near.set_nonblocking(true).unwrap();
        }
        for far in [&appliance, &keyboard, &screen, &said] {
            far.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        }
        let bridge = std::thread::spawn(move || {
            let (line, listener, signals) = (&line, &listener, &signals);
            let (input, output, notices) = (input.as_fd(), output.as_fd(), notices.as_fd());
            let ends = Ends { line, listener, signals, input, output, notices, terminal, exit_on_eof, timeout };
            Bridge::new(ends).carry()
        });
        Harness { appliance, keyboard, screen, said, signal, directory, bridge: Some(bridge) }
    }

    fn client(&self) -> UnixStream {
        let client = UnixStream::connect(self.directory.path().join("console")).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        client
    }

    fn end(&mut self) -> End {
        self.bridge.take().unwrap().join().unwrap().unwrap()
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = self.signal.write_all(b"x");
    }
}

/// Reads as many bytes as are expected and compares.
#[track_caller]
fn expect(mut from: &UnixStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    from.read_exact(&mut bytes).expect(expected);
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

#[track_caller]
fn send(mut to: &UnixStream, text: &str) {
    to.write_all(text.as_bytes()).unwrap();
}

#[test]
fn the_terminal_and_the_appliance_see_each_other() {
    let mut harness = Harness::new(true, false, LONG);
    send(&harness.keyboard, "status\r");
    expect(&harness.appliance, "status\r");
    send(&harness.keyboard, "\x03");
    expect(&harness.appliance, "\x03");
    send(&harness.appliance, "+status\r\n");
    expect(&harness.screen, "+status\r\n");
    send(&harness.keyboard, "\x1d");
    assert_eq!(harness.end(), End::Left);
}

#[test]
fn a_signal_and_a_closed_line_end_the_bridge() {
    let mut harness = Harness::new(true, false, LONG);
    send(&harness.signal, "x");
    assert_eq!(harness.end(), End::Left);
    let mut harness = Harness::new(true, false, LONG);
    harness.appliance.shutdown(Shutdown::Both).unwrap();
    assert_eq!(harness.end(), End::BackendGone);
}

#[test]
fn a_client_takes_the_line_and_the_terminal_gets_it_back() {
    let harness = Harness::new(true, false, Duration::ZERO);
    send(&harness.keyboard, "half a li");
    expect(&harness.appliance, "half a li");
    let client = harness.client();
    expect(&harness.appliance, AWAY);
    send(&client, "machine\n");
    expect(&harness.appliance, "machine\n");
    send(&harness.appliance, "+machine\r\n");
    expect(&client, "+machine\r\n");
    send(&client, "get contracts 1\n");
    expect(&harness.appliance, "get contracts 1\n");
    drop(client);
    expect(&harness.appliance, "\x0f");
    // What the client has not stayed for is not shown, whatever it looks like and cut as it may be.
    send(&harness.appliance, "@0 QUJD\r\nrecord 1: \"totebox> \"\r\ntotebox> -cancelled stopped\r\n");
    send(&harness.appliance, "totebox> ");
    send(&harness.appliance, "\r\n\x0f*news\r\ntotebox> ");
    expect(&harness.screen, "*news\r\ntotebox> ");
    send(&harness.keyboard, "ls");
    expect(&harness.appliance, "ls");
    send(&harness.appliance, "ls");
    expect(&harness.screen, "ls");
}

#[test]
fn the_console_hears_what_was_typed_meanwhile() {
    let cases = [("", "\x0f"), ("\r\n", "\x0f"), ("a text\rand", "\x18"), ("a text\r", "\x19")];
    for (typed, back) in cases {
        let harness = Harness::new(true, false, LONG);
        let client = harness.client();
        expect(&harness.appliance, AWAY);
        send(&harness.keyboard, typed);
        // Once this has passed, so has what was typed before it.
        send(&client, "one");
        expect(&harness.appliance, "one");
        send(&client, "two");
        expect(&harness.appliance, "two");
        drop(client);
        expect(&harness.appliance, back);
    }
}

#[test]
fn ctrl_c_takes_the_line_back_with_what_follows_it() {
    let harness = Harness::new(true, false, LONG);
    let client = harness.client();
    expect(&harness.appliance, AWAY);
    send(&client, "one");
    expect(&harness.appliance, "one");
    send(&harness.keyboard, "lost");
    send(&client, "two");
    expect(&harness.appliance, "two");
    send(&harness.keyboard, "lost\x03stat");
    expect(&harness.appliance, "\x0f\x03stat");
    let mut told = String::new();
    (&client).read_to_string(&mut told).unwrap();
    assert_eq!(told, "\r\n*the operator at the terminal has taken the line #7da74ba1\r\n");
    send(&harness.keyboard, "us\r");
    expect(&harness.appliance, "us\r");
    // The operator at work need not wait for the console's word.
    send(&harness.appliance, "+status\r\n");
    expect(&harness.screen, "+status\r\n");
    // A client that comes back now waits.
    let _client = harness.client();
    send(&harness.keyboard, "ls\r");
    expect(&harness.appliance, "ls\r");
}

#[test]
fn no_holder_can_speak_as_the_bridge() {
    let harness = Harness::new(true, false, Duration::ZERO);
    send(&harness.keyboard, "a\x0eb\x0f\x18\x19\x04c");
    expect(&harness.appliance, "abc");
    let client = harness.client();
    expect(&harness.appliance, AWAY);
    send(&client, "\x03a\x0eb\x0f\x18\x19\x04c");
    expect(&harness.appliance, "\x03abc");
}

#[test]
fn much_that_is_pasted_waits_and_ctrl_c_need_not_wait_behind_it() {
    let harness = Harness::new(true, false, LONG);
    // More than the way to the appliance holds.
    let pasted = vec![b'x'; TYPED_MAX / 2];
    (&harness.keyboard).write_all(&pasted).unwrap();
    let mut received = vec![0; pasted.len()];
    (&harness.appliance).read_exact(&mut received).unwrap();
    assert!(received == pasted, "what was pasted was lost");
    (&harness.keyboard).write_all(&pasted).unwrap();
    send(&harness.keyboard, "\x03.");
    let mut byte = [b'x'];
    let mut count = 0;
    while byte == *b"x" {
        (&harness.appliance).read_exact(&mut byte).unwrap();
        count += 1;
    }
    assert_eq!(byte, *b"\x03");
    assert!(count <= pasted.len() + 1);
    expect(&harness.appliance, ".");
}

#[test]
fn one_client_after_the_other() {
    let harness = Harness::new(true, false, LONG);
    let first = harness.client();
    expect(&harness.appliance, AWAY);
    let second = harness.client();
    send(&second, "second");
    let gone = harness.client();
    let third = harness.client();
    send(&third, "third");
    drop(gone);
    send(&first, "first");
    expect(&harness.appliance, "first");
    drop(first);
    expect(&harness.appliance, AWAY);
    expect(&harness.appliance, "second");
    send(&harness.appliance, "answer");
    expect(&second, "answer");
    drop(second);
    expect(&harness.appliance, AWAY);
    expect(&harness.appliance, "third");
    drop(third);
    expect(&harness.appliance, "\x0f");
}

#[test]
fn a_silent_client_gives_way_to_one_that_waits_and_to_the_operator() {
    for sent in ["", "\x03\nmachine 1\n"] {
        let harness = Harness::new(true, false, Duration::ZERO);
        let first = harness.client();
        expect(&harness.appliance, AWAY);
        send(&first, sent);
        expect(&harness.appliance, sent);
        let second = harness.client();
        expect(&harness.appliance, AWAY);
        let mut told = String::new();
        (&first).read_to_string(&mut told).unwrap();
        assert_eq!(told, "\r\n*the line goes to a waiting client: next to nothing moved for 0 s #6aab00b4\r\n");
        send(&harness.keyboard, "typed blindly\r");
        expect(&harness.appliance, "\x19");
        told.clear();
        (&second).read_to_string(&mut told).unwrap();
        assert!(told.contains("*the line goes to a waiting client"), "{told}");
    }
}

#[test]
fn a_client_that_does_not_read_gives_way() {
    let harness = Harness::new(true, false, Duration::from_millis(200));
    let stuck = harness.client();
    expect(&harness.appliance, AWAY);
    // Until nothing more goes to it.
    let (mut appliance, piece) = (harness.appliance.try_clone().unwrap(), [b'x'; 4096]);
    let flood = std::thread::spawn(move || while appliance.write_all(&piece).is_ok() {});
    let _second = harness.client();
    expect(&harness.appliance, AWAY);
    drop((harness, stuck));
    flood.join().unwrap();
}

#[test]
fn more_clients_wait_than_are_taken_in() {
    let harness = Harness::new(true, false, LONG);
    let first = harness.client();
    expect(&harness.appliance, AWAY);
    let clients: Vec<_> = (0..WAITING_MAX + 10).map(|_| harness.client()).collect();
    for (index, client) in clients.iter().enumerate() {
        send(client, &format!("{index}."));
    }
    drop(first);
    for (index, client) in clients.into_iter().enumerate() {
        expect(&harness.appliance, AWAY);
        expect(&harness.appliance, &format!("{index}."));
        drop(client);
    }
    expect(&harness.appliance, "\x0f");
}

#[test]
fn who_came_before_the_holder_went_is_next() {
    let harness = Harness::new(true, false, LONG);
    let mut holder = harness.client();
    expect(&harness.appliance, AWAY);
    for _ in 0..200 {
        let next = harness.client();
        drop(holder);
        expect(&harness.appliance, AWAY);
        holder = next;
    }
}

#[test]
fn a_client_that_only_reads_moves_something() {
    let [(line, _appliance), (client, _reader), (signals, _)] = [(); 3].map(|()| UnixStream::pair().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("console")).unwrap();
    let ends = Ends {
        line: &line,
        listener: &listener,
        signals: &signals,
        input: signals.as_fd(),
        output: signals.as_fd(),
        notices: signals.as_fd(),
        terminal: true,
        exit_on_eof: false,
        timeout: LONG,
    };
    let mut bridge = Bridge::new(ends);
    let start = Instant::now();
    bridge.turns.queue(Client { stream: client.try_clone().unwrap(), sent_all: true }, start);
    bridge.pass(Next::Client, Why::Gone);
    bridge.turns.queue(Client { stream: client, sent_all: true }, start);
    let due = bridge.turns.due();
    bridge.to_holder = vec![b'x'; super::super::turns::MOVED_MIN];
    bridge.client_ready(PollFlags::OUT).unwrap();
    assert!(bridge.to_holder.is_empty() && bridge.turns.due() > due, "it has to give way no earlier for that");
}

#[test]
fn a_client_that_has_sent_everything_still_gets_its_answer() {
    let harness = Harness::new(true, false, LONG);
    let client = harness.client();
    send(&client, "status\n");
    client.shutdown(Shutdown::Write).unwrap();
    expect(&harness.appliance, "\x0e\x03status\n");
    send(&harness.appliance, "+status\r\n");
    expect(&client, "+status\r\n");
    drop(client);
    expect(&harness.appliance, "\x0f");
}

#[test]
fn much_is_carried_both_ways_whole() {
    let harness = Harness::new(true, false, LONG);
    let client = harness.client();
    expect(&harness.appliance, AWAY);
    let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8 | 0x80).collect();
    for (from, to) in [(&client, &harness.appliance), (&harness.appliance, &client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let bytes = sent.clone();
        let sender = std::thread::spawn(move || from.write_all(&bytes).unwrap());
        let mut received = vec![0; sent.len()];
        to.read_exact(&mut received).unwrap();
        sender.join().unwrap();
        assert!(received == sent, "bytes were changed on the way");
    }
}

#[test]
fn a_script_waits_for_the_prompt_and_keeps_the_line_to_its_last_answer() {
    for (answer, refused) in [("\x06", false), ("\x15", true)] {
        let mut harness = Harness::new(false, true, Duration::ZERO);
        send(&harness.keyboard, "status\nput a b 1");
        harness.keyboard.shutdown(Shutdown::Write).unwrap();
        let client = harness.client();
        send(&harness.appliance, "*starting\r\ntotebox> ");
        expect(&harness.appliance, "status\nput a b 1\n\x04");
        // Nothing a document says is taken for the end.
        send(&harness.appliance, "+status\r\n+person\r\ntotebox> ");
        expect(&harness.screen, "*starting\r\ntotebox> +status\r\n+person\r\ntotebox> ");
        send(&harness.appliance, "the last");
        expect(&harness.screen, "the last");
        send(&harness.appliance, &format!("\r\n{answer}"));
        assert_eq!(harness.end(), End::InputDone { refused });
        expect(&harness.screen, "\r\n");
        drop(client);
    }
}

#[test]
fn after_a_script_clients_are_served_at_once() {
    for script in ["", "status\n"] {
        let harness = Harness::new(false, false, LONG);
        send(&harness.keyboard, script);
        harness.keyboard.shutdown(Shutdown::Write).unwrap();
        let client = harness.client();
        if !script.is_empty() {
            send(&harness.appliance, "totebox> ");
            expect(&harness.screen, "totebox> ");
            expect(&harness.appliance, "status\n\x04");
            send(&harness.appliance, "+status\r\n\x06");
            expect(&harness.screen, "+status\r\n");
        }
        expect(&harness.appliance, AWAY);
        send(&client, "ls");
        expect(&harness.appliance, "ls");
    }
}

#[test]
fn a_log_has_one_prompt_however_many_clients_have_come_and_gone() {
    let harness = Harness::new(false, false, LONG);
    harness.keyboard.shutdown(Shutdown::Write).unwrap();
    send(&harness.appliance, "*up\r\ntotebox> ");
    expect(&harness.screen, "*up\r\ntotebox> ");
    for _ in 0..3 {
        let client = harness.client();
        expect(&harness.appliance, AWAY);
        drop(client);
        expect(&harness.appliance, "\x0f");
        send(&harness.appliance, "\x0ftotebox> ");
    }
    send(&harness.appliance, "\r\n*news\r\ntotebox> ");
    expect(&harness.screen, "\r\n*news\r\ntotebox> ");
}

#[test]
fn a_terminal_that_closes_ends_as_a_script_does() {
    let mut harness = Harness::new(true, true, LONG);
    send(&harness.keyboard, "\r");
    expect(&harness.appliance, "\r");
    harness.keyboard.shutdown(Shutdown::Write).unwrap();
    expect(&harness.appliance, "\n\x04");
    send(&harness.appliance, "\x06");
    assert_eq!(harness.end(), End::InputDone { refused: false });
}

#[test]
fn a_terminal_that_closes_does_not_disturb_the_client_at_the_line() {
    let harness = Harness::new(true, false, Duration::ZERO);
    send(&harness.keyboard, "\r");
    expect(&harness.appliance, "\r");
    let client = harness.client();
    expect(&harness.appliance, AWAY);
    harness.keyboard.shutdown(Shutdown::Write).unwrap();
    for sent in ["one", "two"] {
        send(&client, sent);
        expect(&harness.appliance, sent);
    }
    drop(client);
    expect(&harness.appliance, "\x0f");
}

#[test]
fn a_screen_nobody_reads_does_not_stop_the_service() {
    let harness = Harness::new(true, false, Duration::ZERO);
    harness.screen.shutdown(Shutdown::Both).unwrap();
    for _ in 0..3 {
        send(&harness.appliance, "totebox> ");
        send(&harness.keyboard, "x");
        expect(&harness.appliance, "x");
    }
    let client = harness.client();
    expect(&harness.appliance, AWAY);
    send(&harness.appliance, ".");
    // What was on its way to the screen may come first.
    let mut byte = [0];
    while byte != *b"." {
        (&client).read_exact(&mut byte).unwrap();
    }
}

#[test]
fn a_script_ends_where_it_is_no_text_and_nothing_before_that_is_lost() {
    for key in ["\x03", "\x04", "\x07", "\x18", "\x1b[A", "\x08"] {
        let mut harness = Harness::new(false, true, LONG);
        send(&harness.keyboard, &format!("put one \"w1\"\nimportant\n.\narchive one fin{key}al\nstatus\n"));
        send(&harness.appliance, "totebox> ");
        expect(&harness.appliance, "put one \"w1\"\nimportant\n.\n\x04");
        // What came before was carried out, and still not all of it was.
        send(&harness.appliance, "+receipt\r\n\x06");
        let said = format!("totebox: standard input, line 4: byte 0x{:02x} is not text; ", key.as_bytes()[0]);
        expect(&harness.said, &said);
        assert_eq!(harness.end(), End::InputDone { refused: true });
        expect(&harness.screen, "totebox> +receipt\r\n");
    }
    // There is nothing before it.
    let mut harness = Harness::new(false, true, LONG);
    send(&harness.keyboard, "\x03status\n");
    assert_eq!(harness.end(), End::InputDone { refused: true });
}

#[test]
fn whole_lines_that_ctrl_c_voids_do_not_vanish_in_silence() {
    let harness = Harness::new(true, false, LONG);
    send(&harness.keyboard, "put one x\rtext\r.\r\x03");
    expect(&harness.appliance, "\x03");
    expect(&harness.said, "\n[what you typed before Ctrl-C, and the appliance had not taken up, is dropped]\n");
    // A line that was not ended shows as given up; the next notice is another's.
    send(&harness.keyboard, "half a\x03");
    expect(&harness.appliance, "\x03");
    // While a client has the line.
    let harness = Harness::new(true, false, LONG);
    let _client = harness.client();
    expect(&harness.appliance, AWAY);
    expect(&harness.said, "\n[a client has the line; Ctrl-C takes it back]\n");
    send(&harness.keyboard, "ls one\r\x03");
    expect(&harness.appliance, "\x0f\x03");
    expect(&harness.said, "\n[what you typed before Ctrl-C is lost]\n\n[you have the line]\n");
}

#[test]
fn notices_nobody_reads_hold_nobody_up() {
    let mut harness = Harness::new(true, false, LONG);
    // More than is kept of them, and than their way takes.
    for _ in 0..2000 {
        let client = harness.client();
        expect(&harness.appliance, AWAY);
        drop(client);
        expect(&harness.appliance, "\x0f");
    }
    send(&harness.signal, "x");
    assert_eq!(harness.end(), End::Left);
}

#[test]
fn an_operator_who_does_not_read_gives_way() {
    let harness = Harness::new(true, false, Duration::from_millis(200));
    send(&harness.keyboard, "help\r");
    expect(&harness.appliance, "help\r");
    // Until nothing more goes to the screen.
    let (mut appliance, piece) = (harness.appliance.try_clone().unwrap(), [b'x'; 4096]);
    let flood = std::thread::spawn(move || while appliance.write_all(&piece).is_ok() {});
    let client = harness.client();
    expect(&harness.appliance, AWAY);
    // It gets what the appliance sends now.
    expect(&client, "xxxx");
    expect(&harness.said, "\n[a client has the line, because nothing was read here; Ctrl-C takes it back]\n");
    drop((harness, client));
    flood.join().unwrap();
}

#[test]
fn an_appliance_that_was_killed_with_something_unread_is_gone() {
    let mut harness = Harness::new(true, false, LONG);
    send(&harness.keyboard, "status\r");
    // Nobody has read it when the other side goes: the line is reset.
    harness.appliance = UnixStream::pair().unwrap().0;
    assert_eq!(harness.end(), End::BackendGone);
}
