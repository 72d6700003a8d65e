//! One connection's calls, and how they end.

use std::io::{Error as IoError, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringway_tests::{Client, Reply};

use crate::ask::{Ask, Ending, Error};

/// A connection whose sends and receives both end in time.
pub(crate) fn connect(address: SocketAddr) -> Result<Client, Ending> {
    let refused = |_: IoError| Ending::Error(Error::Refused);
    let client = Client::connect(address).map_err(refused)?;
    let limit = client.stream().set_write_timeout(Some(DEADLINE));
    limit.map_err(refused)?;
    Ok(client)
}

/// The ending of a call whose reply is read by `read`, and whether the connection lives on.
pub(crate) fn settle(
    ask: &Ask,
    began: Instant,
    read: impl FnOnce() -> std::io::Result<Reply>,
) -> (Ending, bool) {
    let read = read();
    let late = began.elapsed() > DEADLINE;
    match read {
        Ok(reply) if late && !reply.complete => (Ending::Lost, false),
        Ok(reply) => {
            let lives = reply.complete && reply.header("connection") != Some("close");
            (ask.check(&reply), lives)
        }
        Err(error) => (failed(&error, late), false),
    }
}

/// What an error of the client says.
fn failed(error: &IoError, late: bool) -> Ending {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Ending::Lost,
        _ if late => Ending::Lost,
        // Bytes that are no reply.
        ErrorKind::Other => Ending::CrossTalk(error.to_string()),
        _ => Ending::Error(Error::Cut),
    }
}

/// Longer than anything that is asked for takes, and the time of one receive.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Function;

    #[test]
    fn silence_is_lost_and_an_end_is_not() {
        let ask = Ask::get(1, Function::Steady, 0);
        let end = |kind: ErrorKind| settle(&ask, Instant::now(), || Err(kind.into())).0;
        assert_eq!(end(ErrorKind::WouldBlock), Ending::Lost);
        assert_eq!(end(ErrorKind::ConnectionReset), Ending::Error(Error::Cut));
        assert_eq!(end(ErrorKind::UnexpectedEof), Ending::Error(Error::Cut));
    }
}
