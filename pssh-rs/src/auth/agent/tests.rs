//! Agents that are slow, hang, send nonsense or close the connection.

use super::message::{FAILURE, KEYS, LIST, SIGNATURE, parse_keys};
use super::*;
use rustix::net::{SocketFlags, SocketType, socket_with};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;
use tempfile::TempDir;

const SOON: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);

/// A string with its length before it.
fn framed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// An ed25519 key, by its number.
fn blob(number: u32) -> Vec<u8> {
    [framed(b"ssh-ed25519"), framed(&[&[0; 28][..], &number.to_be_bytes()].concat())].concat()
}

/// The answer of an agent that has so many keys.
fn key_list(count: u32) -> Vec<u8> {
    let mut answer = vec![KEYS];
    answer.extend(count.to_be_bytes());
    for number in 0..count {
        answer.extend([framed(&blob(number)), framed(b"\xff comment")].concat());
    }
    answer
}

fn signed() -> Vec<u8> {
    [&[SIGNATURE], &framed(&[framed(b"ssh-ed25519"), framed(b"signature")].concat())[..]].concat()
}

fn request(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let mut request = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut request).map(|()| request)
}

/// An agent that serves each connection on its own thread, until the tests end.
fn agent(serve: impl Fn(UnixStream) + Clone + Send + 'static) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    (folder, socket)
}

/// An agent that lists these keys and signs nothing.
pub fn agent_with_keys(blobs: &[Vec<u8>]) -> (TempDir, PathBuf) {
    let mut answer = vec![KEYS];
    answer.extend((blobs.len() as u32).to_be_bytes());
    answer.extend(blobs.iter().flat_map(|blob| [framed(blob), framed(b"comment")].concat()));
    agent(move |mut stream| {
        while request(&mut stream).is_ok() {
            let _ = stream.write_all(&framed(&answer));
        }
    })
}

/// An agent that lists one key, and answers requests to sign by `sign`.
fn signer(sign: impl Fn(&mut UnixStream) + Clone + Send + 'static) -> (TempDir, PathBuf) {
    agent(move |mut stream| {
        while let Ok(request) = request(&mut stream) {
            match request[0] {
                LIST => drop(stream.write_all(&framed(&key_list(1)))),
                _ => sign(&mut stream),
            }
        }
    })
}

fn find(socket: &Path, signing: Duration) -> Agent {
    Agent::find(socket, LONG, signing, &Stop::new().unwrap())
}

fn sign(agent: &Agent, wait: Duration) -> Result<Vec<u8>, AgentError> {
    agent.sign(&blob(0), "ssh-ed25519", b"data", Instant::now() + wait, &Stop::new().unwrap())
}

/// Returns why an agent counts as gone that answers like this to the request for its keys.
fn given_up(answer: &[u8]) -> String {
    let answer = answer.to_vec();
    let (_folder, socket) = agent(move |mut stream| {
        let _ = request(&mut stream);
        let _ = stream.write_all(&answer);
    });
    let why = find(&socket, LONG).gone().unwrap();
    why.replace(&format!("no agent answers at {}: ", socket.display()), "")
}

#[test]
fn an_agent_that_sends_nonsense_is_gone_and_the_reason_is_known() {
    assert_eq!(given_up(b""), "it broke off: it hung up");
    assert_eq!(given_up(b"\0\0\0\x09\x0c\0"), "it broke off: it hung up");
    assert_eq!(given_up(&[0x40, 0, 0, 0, KEYS, 0]), "it announced an answer of endless length");
    assert_eq!(given_up(&[0, 0, 0, 0]), "its list of keys is malformed");
    assert_eq!(given_up(&framed(&[KEYS, 0xff, 0xff, 0xff, 0xff])), "its list of keys is malformed");
    assert_eq!(given_up(&framed(&[KEYS, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff])), "its list of keys is malformed");
}

#[test]
fn an_agent_can_hold_a_thousand_keys_or_be_absent() {
    let (folder, socket) = agent(|mut stream| {
        let _ = request(&mut stream);
        let _ = stream.write_all(&framed(&key_list(1000)));
    });
    let agent = find(&socket, LONG);
    assert_eq!(agent.keys().len(), 1000);
    assert_eq!(agent.keys()[999].blob, blob(999));
    assert_eq!(parse_keys(&[FAILURE]), Some(Vec::new()));
    assert!(
        find(&folder.path().join("none"), LONG).gone().unwrap().ends_with("No such file or directory (os error 2)")
    );
}

#[test]
fn an_agent_that_accepts_no_connection_or_never_answers_is_gone() {
    let (_folder, socket) = agent(|_stream| thread::sleep(LONG));
    let agent = Agent::find(&socket, SOON, LONG, &Stop::new().unwrap());
    assert!(agent.gone().unwrap().ends_with("it answered no request for 200ms"), "{agent:?}");

    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("full");
    let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None).unwrap();
    let address = SocketAddrUnix::new(&socket).unwrap();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let fill = || {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        connect(&socket, &address).map(|()| socket)
    };
    let _held: Vec<_> = std::iter::from_fn(|| fill().ok()).collect();
    let agent = Agent::find(&socket, SOON, LONG, &Stop::new().unwrap());
    assert!(agent.gone().unwrap().ends_with("it answered no request for 200ms"), "{agent:?}");
}

#[test]
fn all_requests_to_a_hung_agent_fail_together() {
    let (_folder, socket) = signer(|_stream| thread::sleep(LONG));
    let agent = find(&socket, SOON);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..20).map(|_| scope.spawn(|| sign(&agent, LONG))).collect();
        for waiting in waiting {
            assert!(matches!(waiting.join().unwrap(), Err(AgentError::Gone(_))));
        }
    });
    assert!(matches!(sign(&agent, LONG), Err(AgentError::Gone(_))));
}

#[test]
fn a_slow_agent_is_not_gone_and_a_request_ends_at_its_deadline() {
    let turn = Arc::new(Mutex::new(()));
    let (_folder, socket) = signer(move |stream| {
        let _turn = turn.lock();
        thread::sleep(SOON);
        let _ = stream.write_all(&framed(&signed()));
    });
    // The last request waits for longer than the patience.
    let agent = find(&socket, SOON * 10);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..12).map(|_| scope.spawn(|| sign(&agent, LONG))).collect();
        for waiting in waiting {
            assert_eq!(waiting.join().unwrap().unwrap(), b"signature");
        }
    });
    assert_eq!(sign(&agent, SOON / 10), Err(AgentError::Late));
    assert_eq!(agent.gone(), None);
    let stop = Stop::new().unwrap();
    stop.set();
    let stopped = agent.sign(&blob(0), "ssh-ed25519", b"data", Instant::now() + LONG, &stop);
    assert_eq!(stopped, Err(AgentError::Stopped));
}

#[test]
fn a_connection_that_the_agent_closed_is_made_again() {
    let (_folder, socket) = agent(|mut stream| {
        let answer = match request(&mut stream).unwrap_or_default().first() {
            Some(&LIST) => key_list(1),
            _ => signed(),
        };
        let _ = stream.write_all(&framed(&answer));
    });
    let agent = find(&socket, LONG);
    for _ in 0..3 {
        assert_eq!(sign(&agent, LONG).unwrap(), b"signature");
    }
}

#[test]
fn an_agent_that_refuses_to_sign_is_not_gone() {
    let (_folder, socket) = signer(|stream| drop(stream.write_all(&framed(&[FAILURE]))));
    let agent = find(&socket, LONG);
    assert_eq!(sign(&agent, LONG), Err(AgentError::Refused("the agent refused to sign".to_string())));
    assert_eq!(agent.gone(), None);
}
