//! A small HTTP/1.1 server on a socket, with connections that stay open.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::TcpStream;

pub struct Request {
    /// SSM's `x-amz-target`, such as `AmazonSSM.GetParameters`.
    pub target: Option<String>,
    /// The region that the request was signed for.
    pub region: Option<String>,
    pub body: String,
}

pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn new(socket: TcpStream) -> Connection {
        let _ = socket.set_nodelay(true);
        Connection(BufReader::new(socket))
    }

    /// Reads the next request. Returns `None` if the client closed the connection, or sent something else.
    pub fn read(&mut self) -> Option<Request> {
        let mut first = String::new();
        self.0.read_line(&mut first).ok()?;
        first.strip_prefix("POST / ")?;
        let mut request = Request { target: None, region: None, body: String::new() };
        let mut length = 0;
        loop {
            let mut header = String::new();
            self.0.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            match (name.to_ascii_lowercase().as_str(), value.trim()) {
                ("content-length", value) => length = value.parse().ok()?,
                ("x-amz-target", value) => request.target = Some(value.to_string()),
                // Credential=KEY/DATE/REGION/SERVICE/aws4_request
                ("authorization", value) => request.region = value.split('/').nth(2).map(str::to_string),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        request.body = String::from_utf8(body).ok()?;
        Some(request)
    }

    pub fn write(&mut self, response: &Response) -> Result<()> {
        let bytes = response.bytes();
        self.0.get_mut().write_all(&bytes)
    }

    /// Writes the head and the first half of the body.
    pub fn write_half(&mut self, response: &Response) -> Result<()> {
        let bytes = response.bytes();
        self.0.get_mut().write_all(&bytes[..bytes.len() - response.body.len() / 2])
    }

    /// Waits until the client closes the connection.
    pub fn wait_for_end(&mut self) {
        let mut rest = [0; 1024];
        while self.0.read(&mut rest).is_ok_and(|count| count > 0) {}
    }
}

impl Response {
    fn bytes(&self) -> Vec<u8> {
        let (status, content_type, length) = (self.status, self.content_type, self.body.len());
        let head =
            format!("HTTP/1.1 {status} Answer\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), self.body.as_bytes()].concat()
    }
}
