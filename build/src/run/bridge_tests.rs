//! The bridge with the test as appliance, operator and clients.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// A bridge in a thread of its own, and the far ends of everything it joins.
struct Bench {
    appliance: UnixStream,
    keyboard: UnixStream,
    screen: UnixStream,
    signal: UnixStream,
    directory: TempDir,
    bridge: Option<JoinHandle<Result<End>>>,
}

impl Bench {
    fn new(terminal: bool, exit_on_eof: bool) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("console")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let [(appliance, line), (keyboard, input), (screen, output), (signal, signals)] =
            [(); 4].map(|()| UnixStream::pair().unwrap());
        line.set_nonblocking(true).unwrap();
        for far in [&appliance, &keyboard, &screen] {
            far.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        }
        let bridge = std::thread::spawn(move || {
            let (line, listener, signals) = (&line, &listener, &signals);
            let (input, output) = (input.as_fd(), output.as_fd());
            Bridge::new(Ends { line, listener, signals, input, output, terminal, exit_on_eof }).carry()
        });
        Bench { appliance, keyboard, screen, signal, directory, bridge: Some(bridge) }
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
    let mut bench = Bench::new(true, false);
    send(&bench.keyboard, "status\r\x03");
    expect(&bench.appliance, "status\r\x03");
    send(&bench.appliance, "+status\r\n");
    expect(&bench.screen, "+status\r\n");
    send(&bench.keyboard, "\x1d");
    assert_eq!(bench.end(), End::Left);
}

#[test]
fn a_signal_and_a_closed_line_end_the_bridge() {
    let mut bench = Bench::new(true, false);
    send(&bench.signal, "x");
    assert_eq!(bench.end(), End::Left);
    let mut bench = Bench::new(true, false);
    bench.appliance.shutdown(Shutdown::Both).unwrap();
    assert_eq!(bench.end(), End::BackendGone);
}

#[test]
fn a_client_takes_the_line_and_the_terminal_gets_it_back() {
    let bench = Bench::new(true, false);
    send(&bench.keyboard, "half a li");
    expect(&bench.appliance, "half a li");
    let client = bench.client();
    expect(&bench.appliance, "\x03");
    send(&client, "machine\n");
    expect(&bench.appliance, "machine\n");
    send(&bench.appliance, "+machine\r\n");
    expect(&client, "+machine\r\n");
    send(&client, "get contracts 1\n");
    expect(&bench.appliance, "get contracts 1\n");
    drop(client);
    expect(&bench.appliance, "\x03");
    // What the client has not stayed for is not shown, cut as it may be.
    send(&bench.appliance, "@0 QUJD\r\n@3 QUJD\r\n-cancelled stopped\r\ntoteb");
    send(&bench.appliance, "ox> ");
    expect(&bench.screen, "totebox> ");
    send(&bench.keyboard, "ls");
    expect(&bench.appliance, "ls");
    send(&bench.appliance, "ls");
    expect(&bench.screen, "ls");
}

#[test]
fn keys_reach_the_appliance_again_only_after_ctrl_c() {
    let bench = Bench::new(true, false);
    let client = bench.client();
    expect(&bench.appliance, "\x03");
    send(&client, "one");
    expect(&bench.appliance, "one");
    send(&bench.keyboard, "lost");
    send(&client, "two");
    expect(&bench.appliance, "two");
    send(&bench.keyboard, "\x03");
    expect(&bench.appliance, "\x03");
    assert_eq!((&client).read(&mut [0]).unwrap(), 0, "the client still has the line");
    send(&bench.keyboard, "status\r");
    expect(&bench.appliance, "status\r");
    // The operator at work need not wait for a prompt.
    send(&bench.appliance, "+status\r\n");
    expect(&bench.screen, "+status\r\n");
}

#[test]
fn one_client_after_the_other() {
    let bench = Bench::new(true, false);
    let first = bench.client();
    expect(&bench.appliance, "\x03");
    let second = bench.client();
    send(&second, "second");
    send(&first, "first");
    expect(&bench.appliance, "first");
    drop(first);
    // At the end of the one, and again at the start of the other.
    expect(&bench.appliance, "\x03\x03");
    expect(&bench.appliance, "second");
    send(&bench.appliance, "answer");
    expect(&second, "answer");
}

#[test]
fn a_client_that_has_sent_everything_still_gets_its_answer() {
    let bench = Bench::new(true, false);
    let client = bench.client();
    send(&client, "status\n");
    client.shutdown(Shutdown::Write).unwrap();
    expect(&bench.appliance, "\x03status\n");
    send(&bench.appliance, "+status\r\n");
    expect(&client, "+status\r\n");
    drop(client);
    expect(&bench.appliance, "\x03");
}

#[test]
fn much_is_carried_both_ways_whole() {
    let bench = Bench::new(true, false);
    let client = bench.client();
    expect(&bench.appliance, "\x03");
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
    let mut bench = Bench::new(false, true);
    send(&bench.keyboard, "status\nput a b 1");
    bench.keyboard.shutdown(Shutdown::Write).unwrap();
    let client = bench.client();
    send(&bench.appliance, "*starting\r\ntotebox> ");
    expect(&bench.appliance, "status\nput a b 1\nperson\n");
    send(&bench.appliance, "+status\r\n+person");
    expect(&bench.screen, "*starting\r\ntotebox> +status\r\n+person");
    send(&bench.appliance, "\r\n");
    assert_eq!(bench.end(), End::Left);
    expect(&bench.screen, "\r\n");
    drop(client);
}

#[test]
fn after_a_script_clients_are_served() {
    for script in ["", "status\n"] {
        let bench = Bench::new(false, false);
        send(&bench.keyboard, script);
        bench.keyboard.shutdown(Shutdown::Write).unwrap();
        let client = bench.client();
        if !script.is_empty() {
            send(&bench.appliance, "totebox> ");
            expect(&bench.screen, "totebox> ");
            expect(&bench.appliance, "status\n\nperson\n");
            send(&bench.appliance, "+status\r\n+person\r\n");
            expect(&bench.screen, "+status\r\n+person\r\n");
        }
        expect(&bench.appliance, "\x03");
        send(&client, "ls");
        expect(&bench.appliance, "ls");
    }
}

#[test]
fn a_screen_nobody_reads_does_not_stop_the_service() {
    let bench = Bench::new(true, false);
    bench.screen.shutdown(Shutdown::Both).unwrap();
    for _ in 0..3 {
        send(&bench.appliance, "totebox> ");
        send(&bench.keyboard, "x");
        expect(&bench.appliance, "x");
    }
    let client = bench.client();
    expect(&bench.appliance, "\x03");
    send(&bench.appliance, ".");
    // What was on its way to the screen may come first.
    let mut byte = [0];
    while byte != *b"." {
        (&client).read_exact(&mut byte).unwrap();
    }
}
