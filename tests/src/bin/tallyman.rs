//! A function that appends the `X-Call-Id` of each call to the file in `$TALLY`, a line each, and
//! answers when that is done; while there is a file `$TALLY.hold` it waits. Listens on `$PORT` of loopback; one thread per connection.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

fn main() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let port: u16 = variable("PORT").parse().expect("PORT holds a port");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(variable("TALLY"));
    let file = Arc::new(file.expect("TALLY names a file"));
    let pause = Duration::from_micros(variable("PAUSE_MICROS").parse().unwrap_or(0));
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    for stream in listener.incoming().flatten() {
        let file = Arc::clone(&file);
        // The connection's end is its client's business.
        std::thread::spawn(move || drop(serve(&stream, &file, pause)));
    }
}

fn serve(stream: &TcpStream, file: &File, pause: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let hold = format!("{}.hold", std::env::var("TALLY").unwrap_or_default());
    let hold = std::path::PathBuf::from(hold);
    let mut reader = BufReader::new(stream);
    let mut body = Vec::new();
    loop {
        let (mut call, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "x-call-id" => call = value.trim().to_owned(),
                "content-length" => length = value.trim().parse().unwrap_or(0),
                _ => {}
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        // One write to a file opened for appending: lines do not mix.
        let mut file = file;
        file.write_all(format!("{call}\n").as_bytes())?;
        while hold.exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
    }
}
