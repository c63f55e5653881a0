//! A small HTTP/1.1 server on a socket, with connections that stay open.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::TcpStream;

pub struct Request {
    pub method: String,
    pub path: String,
    /// The service that the request was signed for, such as `s3`. `None` if it was not signed.
    pub service: Option<String>,
    /// Whether the headers that S3 requires are signed.
    pub has_signed_headers: bool,
    pub range: Option<String>,
    /// SSM's `x-amz-target`, such as `AmazonSSM.GetParameters`.
    pub target: Option<String>,
    /// The region that the request was signed for.
    pub region: Option<String>,
    pub body: String,
}

pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    /// Of S3.
    pub bucket_region: Option<String>,
    pub body: Vec<u8>,
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
        let mut words = first.split(' ');
        let (method, path) = (words.next()?.to_string(), words.next()?.to_string());
        let mut request = Request {
            method,
            path,
            service: None,
            has_signed_headers: false,
            range: None,
            target: None,
            region: None,
            body: String::new(),
        };
        let mut length = 0;
        loop {
            let mut header = String::new();
            self.0.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            match (name.to_ascii_lowercase().as_str(), value.trim()) {
                ("content-length", value) => length = value.parse().ok()?,
                ("x-amz-target", value) => request.target = Some(value.to_string()),
                // Credential=KEY/DATE/REGION/SERVICE/aws4_request
                ("authorization", value) => {
                    let mut scope = value.split('/').skip(2).map(str::to_string);
                    (request.region, request.service) = (scope.next(), scope.next());
                    let is_signed = |name| value.contains(&format!(";{name}"));
                    request.has_signed_headers = value.starts_with("AWS4-HMAC-SHA256 Credential=")
                        && value.contains("SignedHeaders=host;")
                        && ["x-amz-content-sha256", "x-amz-date"].into_iter().all(is_signed);
                }
                ("range", value) => request.range = Some(value.to_string()),
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
        let mut head =
            format!("HTTP/1.1 {status} Answer\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n");
        if let Some(region) = &self.bucket_region {
            head += &format!("x-amz-bucket-region: {region}\r\n");
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}
