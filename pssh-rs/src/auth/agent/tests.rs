//! Agents that are slow, hang, lie or break off.

use super::message::{FAILURE, KEYS, LIST, SIGNATURE, keys};
use super::*;
use std::os::unix::net::UnixListener;
use std::thread;
use tempfile::TempDir;

const SOON: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);

/// An ed25519 key's blob, by its number.
fn blob(number: u32) -> Vec<u8> {
    let mut blob = Vec::new();
    put_string(&mut blob, b"ssh-ed25519");
    put_string(&mut blob, &[&[0; 28][..], &number.to_be_bytes()].concat());
    blob
}

fn list(count: u32) -> Vec<u8> {
    let mut answer = vec![KEYS];
    answer.extend(count.to_be_bytes());
    for number in 0..count {
        put_string(&mut answer, &blob(number));
        put_string(&mut answer, b"\xff comment");
    }
    answer
}

fn signed() -> Vec<u8> {
    let mut signature = Vec::new();
    put_string(&mut signature, b"ssh-ed25519");
    put_string(&mut signature, b"signature");
    let mut answer = vec![SIGNATURE];
    put_string(&mut answer, &signature);
    answer
}

fn framed(answer: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    put_string(&mut message, answer);
    message
}

fn request(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let mut request = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut request).map(|()| request)
}

/// An agent that does to each connection what it is told, on a thread of its own; it ends with the tests.
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

/// One that lists one key, and does what it is told when it should sign.
fn signer(sign: impl Fn(&mut UnixStream) + Clone + Send + 'static) -> (TempDir, PathBuf) {
    agent(move |mut stream| {
        while let Ok(request) = request(&mut stream) {
            match request[0] {
                LIST => drop(stream.write_all(&framed(&list(1)))),
                _ => sign(&mut stream),
            }
        }
    })
}

fn find(socket: &Path, signing: Duration) -> Agent {
    Agent::find(socket, LONG, signing, &Stop::new().unwrap())
}

fn sign(agent: &Agent, wait: Duration) -> Result<Vec<u8>, Trouble> {
    agent.sign(&blob(0), "ssh-ed25519", b"data", Instant::now() + wait, &Stop::new().unwrap())
}

/// What an agent that answers this way to being asked for its keys is given up for.
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
fn a_lying_agent_is_given_up_with_the_reason() {
    assert_eq!(given_up(b""), "it broke off: it hung up");
    assert_eq!(given_up(b"\0\0\0\x09\x0c\0"), "it broke off: it hung up");
    assert_eq!(given_up(&[0x40, 0, 0, 0, KEYS, 0]), "it announced an answer of endless length");
    assert_eq!(given_up(&[0, 0, 0, 0]), "its list of keys is malformed");
    assert_eq!(given_up(&framed(&[KEYS, 0xff, 0xff, 0xff, 0xff])), "its list of keys is malformed");
    assert_eq!(given_up(&framed(&[KEYS, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff])), "its list of keys is malformed");
}

#[test]
fn an_agent_may_hold_a_thousand_keys_or_be_absent() {
    let (folder, socket) = agent(|mut stream| {
        let _ = request(&mut stream);
        let _ = stream.write_all(&framed(&list(1000)));
    });
    let agent = find(&socket, LONG);
    assert_eq!(agent.keys().len(), 1000);
    assert_eq!(agent.keys()[999].blob, blob(999));
    assert_eq!(keys(&[FAILURE]), Some(Vec::new()));
    assert!(
        find(&folder.path().join("none"), LONG).gone().unwrap().ends_with("No such file or directory (os error 2)")
    );
}

#[test]
fn an_agent_that_takes_no_connection_or_says_nothing_is_given_up() {
    let (_folder, socket) = agent(|_stream| thread::sleep(LONG));
    let agent = Agent::find(&socket, SOON, LONG, &Stop::new().unwrap());
    assert!(agent.gone().unwrap().ends_with("it answered nobody for 200ms"), "{agent:?}");

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
    assert!(agent.gone().unwrap().ends_with("it answered nobody for 200ms"), "{agent:?}");
}

#[test]
fn who_waits_for_a_hung_agent_learns_at_once_that_it_is_gone() {
    let (_folder, socket) = signer(|_stream| thread::sleep(LONG));
    let agent = find(&socket, SOON);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..20).map(|_| scope.spawn(|| sign(&agent, LONG))).collect();
        for waiting in waiting {
            assert!(matches!(waiting.join().unwrap(), Err(Trouble::Gone(_))));
        }
    });
    assert!(matches!(sign(&agent, LONG), Err(Trouble::Gone(_))));
}

#[test]
fn a_slow_agent_is_not_gone_and_the_deadline_is_the_login_s() {
    let turn = Arc::new(Mutex::new(()));
    let (_folder, socket) = signer(move |stream| {
        let _turn = turn.lock();
        thread::sleep(SOON);
        let _ = stream.write_all(&framed(&signed()));
    });
    // The last of them waits for longer than the patience is.
    let agent = find(&socket, SOON * 10);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..12).map(|_| scope.spawn(|| sign(&agent, LONG))).collect();
        for waiting in waiting {
            assert_eq!(waiting.join().unwrap().unwrap(), b"signature");
        }
    });
    assert_eq!(sign(&agent, SOON / 10), Err(Trouble::Late));
    assert_eq!(agent.gone(), None);
    let stop = Stop::new().unwrap();
    stop.set();
    let stopped = agent.sign(&blob(0), "ssh-ed25519", b"data", Instant::now() + LONG, &stop);
    assert_eq!(stopped, Err(Trouble::Stopped));
}

#[test]
fn a_connection_that_the_agent_closed_meanwhile_is_made_anew() {
    let (_folder, socket) = agent(|mut stream| {
        let answer = match request(&mut stream).unwrap_or_default().first() {
            Some(&LIST) => list(1),
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
fn a_refused_signature_ends_no_agent() {
    let (_folder, socket) = signer(|stream| drop(stream.write_all(&framed(&[FAILURE]))));
    let agent = find(&socket, LONG);
    assert_eq!(sign(&agent, LONG), Err(Trouble::Refused("the agent refused to sign".to_string())));
    assert_eq!(agent.gone(), None);
}
