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
struct Bench {
    appliance: UnixStream,
    keyboard: UnixStream,
    screen: UnixStream,
    said: UnixStream,
    signal: UnixStream,
    directory: TempDir,
    bridge: Option<JoinHandle<Result<End>>>,
}

impl Bench {
    /// A holder gives way at once, or keeps the line, depending on how much patience there is.
    fn new(terminal: bool, exit_on_eof: bool, patience: Duration) -> Bench {
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
            let ends = Ends { line, listener, signals, input, output, notices, terminal, exit_on_eof, patience };
            Bridge::new(ends).carry()
        });
        Bench { appliance, keyboard, screen, said, signal, directory, bridge: Some(bridge) }
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

impl Drop for Bench {
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
    let mut bench = Bench::new(true, false, LONG);
    send(&bench.keyboard, "status\r");
    expect(&bench.appliance, "status\r");
    send(&bench.keyboard, "\x03");
    expect(&bench.appliance, "\x03");
    send(&bench.appliance, "+status\r\n");
    expect(&bench.screen, "+status\r\n");
    send(&bench.keyboard, "\x1d");
    assert_eq!(bench.end(), End::Left);
}

#[test]
fn a_signal_and_a_closed_line_end_the_bridge() {
    let mut bench = Bench::new(true, false, LONG);
    send(&bench.signal, "x");
    assert_eq!(bench.end(), End::Left);
    let mut bench = Bench::new(true, false, LONG);
    bench.appliance.shutdown(Shutdown::Both).unwrap();
    assert_eq!(bench.end(), End::BackendGone);
}

#[test]
fn a_client_takes_the_line_and_the_terminal_gets_it_back() {
    let bench = Bench::new(true, false, Duration::ZERO);
    send(&bench.keyboard, "half a li");
    expect(&bench.appliance, "half a li");
    let client = bench.client();
    expect(&bench.appliance, AWAY);
    send(&client, "machine\n");
    expect(&bench.appliance, "machine\n");
    send(&bench.appliance, "+machine\r\n");
    expect(&client, "+machine\r\n");
    send(&client, "get contracts 1\n");
    expect(&bench.appliance, "get contracts 1\n");
    drop(client);
    expect(&bench.appliance, "\x0f");
    // What the client has not stayed for is not shown, whatever it looks like and cut as it may be.
    send(&bench.appliance, "@0 QUJD\r\nrecord 1: \"totebox> \"\r\ntotebox> -cancelled stopped\r\n");
    send(&bench.appliance, "totebox> ");
    send(&bench.appliance, "\r\n\x0f*news\r\ntotebox> ");
    expect(&bench.screen, "*news\r\ntotebox> ");
    send(&bench.keyboard, "ls");
    expect(&bench.appliance, "ls");
    send(&bench.appliance, "ls");
    expect(&bench.screen, "ls");
}

#[test]
fn the_console_hears_what_was_typed_meanwhile() {
    let cases = [("", "\x0f"), ("\r\n", "\x0f"), ("a text\rand", "\x18"), ("a text\r", "\x19")];
    for (typed, back) in cases {
        let bench = Bench::new(true, false, LONG);
        let client = bench.client();
        expect(&bench.appliance, AWAY);
        send(&bench.keyboard, typed);
        // Once this has passed, so has what was typed before it.
        send(&client, "one");
        expect(&bench.appliance, "one");
        send(&client, "two");
        expect(&bench.appliance, "two");
        drop(client);
        expect(&bench.appliance, back);
    }
}

#[test]
fn ctrl_c_takes_the_line_back_with_what_follows_it() {
    let bench = Bench::new(true, false, LONG);
    let client = bench.client();
    expect(&bench.appliance, AWAY);
    send(&client, "one");
    expect(&bench.appliance, "one");
    send(&bench.keyboard, "lost");
    send(&client, "two");
    expect(&bench.appliance, "two");
    send(&bench.keyboard, "lost\x03stat");
    expect(&bench.appliance, "\x0f\x03stat");
    let mut told = String::new();
    (&client).read_to_string(&mut told).unwrap();
    assert_eq!(told, "\r\n*the operator at the terminal has taken the line #7da74ba1\r\n");
    send(&bench.keyboard, "us\r");
    expect(&bench.appliance, "us\r");
    // The operator at work need not wait for the console's word.
    send(&bench.appliance, "+status\r\n");
    expect(&bench.screen, "+status\r\n");
    // A client that comes back now waits.
    let _client = bench.client();
    send(&bench.keyboard, "ls\r");
    expect(&bench.appliance, "ls\r");
}

#[test]
fn no_holder_can_speak_as_the_bridge() {
    let bench = Bench::new(true, false, Duration::ZERO);
    send(&bench.keyboard, "a\x0eb\x0f\x18\x19\x04c");
    expect(&bench.appliance, "abc");
    let client = bench.client();
    expect(&bench.appliance, AWAY);
    send(&client, "\x03a\x0eb\x0f\x18\x19\x04c");
    expect(&bench.appliance, "\x03abc");
}

#[test]
fn much_that_is_pasted_waits_and_ctrl_c_need_not_wait_behind_it() {
    let bench = Bench::new(true, false, LONG);
    // More than the way to the appliance holds.
    let pasted = vec![b'x'; TYPED_MAX / 2];
    (&bench.keyboard).write_all(&pasted).unwrap();
    let mut received = vec![0; pasted.len()];
    (&bench.appliance).read_exact(&mut received).unwrap();
    assert!(received == pasted, "what was pasted was lost");
    (&bench.keyboard).write_all(&pasted).unwrap();
    send(&bench.keyboard, "\x03.");
    let mut byte = [b'x'];
    let mut count = 0;
    while byte == *b"x" {
        (&bench.appliance).read_exact(&mut byte).unwrap();
        count += 1;
    }
    assert_eq!(byte, *b"\x03");
    assert!(count <= pasted.len() + 1);
    expect(&bench.appliance, ".");
}

#[test]
fn one_client_after_the_other() {
    let bench = Bench::new(true, false, LONG);
    let first = bench.client();
    expect(&bench.appliance, AWAY);
    let second = bench.client();
    send(&second, "second");
    let gone = bench.client();
    let third = bench.client();
    send(&third, "third");
    drop(gone);
    send(&first, "first");
    expect(&bench.appliance, "first");
    drop(first);
    expect(&bench.appliance, AWAY);
    expect(&bench.appliance, "second");
    send(&bench.appliance, "answer");
    expect(&second, "answer");
    drop(second);
    expect(&bench.appliance, AWAY);
    expect(&bench.appliance, "third");
    drop(third);
    expect(&bench.appliance, "\x0f");
}

#[test]
fn a_silent_client_gives_way_to_one_that_waits_and_to_the_operator() {
    for sent in ["", "\x03\nmachine 1\n"] {
        let bench = Bench::new(true, false, Duration::ZERO);
        let first = bench.client();
        expect(&bench.appliance, AWAY);
        send(&first, sent);
        expect(&bench.appliance, sent);
        let second = bench.client();
        expect(&bench.appliance, AWAY);
        let mut told = String::new();
        (&first).read_to_string(&mut told).unwrap();
        assert_eq!(told, "\r\n*the line goes to another, who waits: nothing moved for 0 s #21e9ef27\r\n");
        send(&bench.keyboard, "typed blindly\r");
        expect(&bench.appliance, "\x19");
        told.clear();
        (&second).read_to_string(&mut told).unwrap();
        assert!(told.contains("*the line goes to another"), "{told}");
    }
}

#[test]
fn a_client_that_does_not_read_gives_way() {
    let bench = Bench::new(true, false, Duration::from_millis(200));
    let stuck = bench.client();
    expect(&bench.appliance, AWAY);
    // Until nothing more goes to it.
    let (mut appliance, piece) = (bench.appliance.try_clone().unwrap(), [b'x'; 4096]);
    let flood = std::thread::spawn(move || while appliance.write_all(&piece).is_ok() {});
    let _second = bench.client();
    expect(&bench.appliance, AWAY);
    drop((bench, stuck));
    flood.join().unwrap();
}

#[test]
fn more_clients_wait_than_are_taken_in() {
    let bench = Bench::new(true, false, LONG);
    let first = bench.client();
    expect(&bench.appliance, AWAY);
    let clients: Vec<_> = (0..WAITING_MAX + 10).map(|_| bench.client()).collect();
    for (index, client) in clients.iter().enumerate() {
        send(client, &format!("{index}."));
    }
    drop(first);
    for (index, client) in clients.into_iter().enumerate() {
        expect(&bench.appliance, AWAY);
        expect(&bench.appliance, &format!("{index}."));
        drop(client);
    }
    expect(&bench.appliance, "\x0f");
}

#[test]
fn who_came_before_the_holder_went_is_next() {
    let bench = Bench::new(true, false, LONG);
    let mut holder = bench.client();
    expect(&bench.appliance, AWAY);
    for _ in 0..200 {
        let next = bench.client();
        drop(holder);
        expect(&bench.appliance, AWAY);
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
        patience: LONG,
    };
    let mut bridge = Bridge::new(ends);
    let start = Instant::now();
    bridge.turns.queue(Client { stream: client.try_clone().unwrap(), sent_all: true }, start);
    bridge.pass(Next::Client, Why::Gone);
    bridge.turns.queue(Client { stream: client, sent_all: true }, start);
    let due = bridge.turns.due();
    bridge.to_holder = b"a line of what it asked for".to_vec();
    bridge.client_ready(PollFlags::OUT).unwrap();
    assert!(bridge.to_holder.is_empty() && bridge.turns.due() > due, "it has to give way no earlier for that");
}

#[test]
fn a_client_that_has_sent_everything_still_gets_its_answer() {
    let bench = Bench::new(true, false, LONG);
    let client = bench.client();
    send(&client, "status\n");
    client.shutdown(Shutdown::Write).unwrap();
    expect(&bench.appliance, "\x0e\x03status\n");
    send(&bench.appliance, "+status\r\n");
    expect(&client, "+status\r\n");
    drop(client);
    expect(&bench.appliance, "\x0f");
}

#[test]
fn much_is_carried_both_ways_whole() {
    let bench = Bench::new(true, false, LONG);
    let client = bench.client();
    expect(&bench.appliance, AWAY);
    let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8 | 0x80).collect();
    for (from, to) in [(&client, &bench.appliance), (&bench.appliance, &client)] {
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
        let mut bench = Bench::new(false, true, Duration::ZERO);
        send(&bench.keyboard, "status\nput a b 1");
        bench.keyboard.shutdown(Shutdown::Write).unwrap();
        let client = bench.client();
        send(&bench.appliance, "*starting\r\ntotebox> ");
        expect(&bench.appliance, "status\nput a b 1\n\x04");
        // Nothing a document says is taken for the end.
        send(&bench.appliance, "+status\r\n+person\r\ntotebox> ");
        expect(&bench.screen, "*starting\r\ntotebox> +status\r\n+person\r\ntotebox> ");
        send(&bench.appliance, "the last");
        expect(&bench.screen, "the last");
        send(&bench.appliance, &format!("\r\n{answer}"));
        assert_eq!(bench.end(), End::InputDone { refused });
        expect(&bench.screen, "\r\n");
        drop(client);
    }
}

#[test]
fn after_a_script_clients_are_served_at_once() {
    for script in ["", "status\n"] {
        let bench = Bench::new(false, false, LONG);
        send(&bench.keyboard, script);
        bench.keyboard.shutdown(Shutdown::Write).unwrap();
        let client = bench.client();
        if !script.is_empty() {
            send(&bench.appliance, "totebox> ");
            expect(&bench.screen, "totebox> ");
            expect(&bench.appliance, "status\n\n\x04");
            send(&bench.appliance, "+status\r\n\x06");
            expect(&bench.screen, "+status\r\n");
        }
        expect(&bench.appliance, AWAY);
        send(&client, "ls");
        expect(&bench.appliance, "ls");
    }
}

#[test]
fn a_terminal_that_closes_ends_as_a_script_does() {
    let mut bench = Bench::new(true, true, LONG);
    send(&bench.keyboard, "\r");
    expect(&bench.appliance, "\r");
    bench.keyboard.shutdown(Shutdown::Write).unwrap();
    expect(&bench.appliance, "\n\x04");
    send(&bench.appliance, "\x06");
    assert_eq!(bench.end(), End::InputDone { refused: false });
}

#[test]
fn a_terminal_that_closes_does_not_disturb_the_client_at_the_line() {
    let bench = Bench::new(true, false, Duration::ZERO);
    send(&bench.keyboard, "\r");
    expect(&bench.appliance, "\r");
    let client = bench.client();
    expect(&bench.appliance, AWAY);
    bench.keyboard.shutdown(Shutdown::Write).unwrap();
    for sent in ["one", "two"] {
        send(&client, sent);
        expect(&bench.appliance, sent);
    }
    drop(client);
    expect(&bench.appliance, "\x0f");
}

#[test]
fn a_screen_nobody_reads_does_not_stop_the_service() {
    let bench = Bench::new(true, false, Duration::ZERO);
    bench.screen.shutdown(Shutdown::Both).unwrap();
    for _ in 0..3 {
        send(&bench.appliance, "totebox> ");
        send(&bench.keyboard, "x");
        expect(&bench.appliance, "x");
    }
    let client = bench.client();
    expect(&bench.appliance, AWAY);
    send(&bench.appliance, ".");
    // What was on its way to the screen may come first.
    let mut byte = [0];
    while byte != *b"." {
        (&client).read_exact(&mut byte).unwrap();
    }
}

#[test]
fn a_script_ends_where_it_is_no_text_and_nothing_before_that_is_lost() {
    for key in ["\x03", "\x04", "\x07", "\x18", "\x1b[A", "\x08"] {
        let mut bench = Bench::new(false, true, LONG);
        send(&bench.keyboard, &format!("put one \"w1\"\nimportant\n.\narchive one fin{key}al\nstatus\n"));
        send(&bench.appliance, "totebox> ");
        expect(&bench.appliance, "put one \"w1\"\nimportant\n.\n\n\x04");
        // What came before was carried out, and still not all of it was.
        send(&bench.appliance, "+receipt\r\n\x06");
        let said = format!("totebox: standard input, line 4: byte 0x{:02x} is no text; ", key.as_bytes()[0]);
        expect(&bench.said, &said);
        assert_eq!(bench.end(), End::InputDone { refused: true });
        expect(&bench.screen, "totebox> +receipt\r\n");
    }
    // There is nothing before it.
    let mut bench = Bench::new(false, true, LONG);
    send(&bench.keyboard, "\x03status\n");
    assert_eq!(bench.end(), End::InputDone { refused: true });
}

#[test]
fn whole_lines_that_ctrl_c_voids_do_not_vanish_in_silence() {
    let bench = Bench::new(true, false, LONG);
    send(&bench.keyboard, "put one x\rtext\r.\r\x03");
    expect(&bench.appliance, "\x03");
    expect(&bench.said, "\n[what you typed before Ctrl-C, and the appliance had not taken up, is dropped]\n");
    // A line that was not ended shows as given up; the next notice is another's.
    send(&bench.keyboard, "half a\x03");
    expect(&bench.appliance, "\x03");
    // While a client has the line.
    let bench = Bench::new(true, false, LONG);
    let _client = bench.client();
    expect(&bench.appliance, AWAY);
    expect(&bench.said, "\n[a client has the line; Ctrl-C takes it back]\n");
    send(&bench.keyboard, "ls one\r\x03");
    expect(&bench.appliance, "\x0f\x03");
    expect(&bench.said, "\n[what you typed before Ctrl-C is lost]\n\n[you have the line]\n");
}

#[test]
fn notices_nobody_reads_hold_nobody_up() {
    let mut bench = Bench::new(true, false, LONG);
    // More than is kept of them, and than their way takes.
    for _ in 0..2000 {
        let client = bench.client();
        expect(&bench.appliance, AWAY);
        drop(client);
        expect(&bench.appliance, "\x0f");
    }
    send(&bench.signal, "x");
    assert_eq!(bench.end(), End::Left);
}

#[test]
fn an_operator_who_does_not_read_gives_way() {
    let bench = Bench::new(true, false, Duration::from_millis(200));
    send(&bench.keyboard, "help\r");
    expect(&bench.appliance, "help\r");
    // Until nothing more goes to the screen.
    let (mut appliance, piece) = (bench.appliance.try_clone().unwrap(), [b'x'; 4096]);
    let flood = std::thread::spawn(move || while appliance.write_all(&piece).is_ok() {});
    let client = bench.client();
    expect(&bench.appliance, AWAY);
    // It gets what the appliance sends now.
    expect(&client, "xxxx");
    expect(&bench.said, "\n[a client has the line, for nothing was read here; Ctrl-C takes it back]\n");
    drop((bench, client));
    flood.join().unwrap();
}

#[test]
fn an_appliance_that_was_killed_with_something_unread_is_gone() {
    let mut bench = Bench::new(true, false, LONG);
    send(&bench.keyboard, "status\r");
    // Nobody has read it when the other side goes: the line is reset.
    bench.appliance = UnixStream::pair().unwrap().0;
    assert_eq!(bench.end(), End::BackendGone);
}
