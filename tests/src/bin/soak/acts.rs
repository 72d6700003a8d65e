//! What clients do: most call and read, others hurry, dawdle, leave or ask for trouble.

use std::time::{Duration, Instant};

use ringway_tests::{Client, Random, Reply, reset_when_closed};

use crate::ask::{Ask, Ending, Error, Function};
use crate::caller::{connect, settle};
use crate::stage::Stage;

/// One client after the other, until the stage is over.
pub(crate) fn play(stage: &Stage<'_>, seed: u64) {
    let mut actor = Actor {
        stage,
        random: Random::new(seed),
        kept: None,
        before: None,
    };
    while !stage.is_over() {
        actor.act();
        let pause = actor.random.below(THINK_MS_MAX);
        std::thread::sleep(Duration::from_millis(pause as u64));
    }
}

struct Actor<'a> {
    stage: &'a Stage<'a>,
    random: Random,
    /// The keep-alive connection, and since when it is idle.
    kept: Option<(Client, Instant)>,
    /// The last call that was made whole, for who asks why the next one failed.
    before: Option<Ask>,
}

impl Actor<'_> {
    fn act(&mut self) {
        match self.random.below(100) {
            0..68 => self.whole(),
            68..78 => self.pipelined(),
            78..84 => self.leaves_amid_request(),
            84..90 => self.leaves_amid_reply(),
            90..93 => self.reads_slowly(),
            93..95 => self.sends_slowly(),
            95..97 => self.streams(),
            _ => self.asks_for_trouble(),
        }
    }

    fn ask(&mut self) -> Ask {
        let function = match self.random.below(100) {
            0..40 => Function::Steady,
            40..65 => Function::Rolling,
            65..75 => Function::Elastic,
            75..79 => Function::Each,
            79..89 => Function::Passing,
            _ => Function::Mortal,
        };
        Ask::draw(&mut self.random, self.stage.id(), function)
    }

    /// The kept connection, or mostly so.
    fn connection(&mut self) -> Result<Client, Ending> {
        if self.random.below(4) == 0 {
            self.kept = None;
        }
        match self.kept.take() {
            Some((client, since)) if since.elapsed() < IDLE_MAX => Ok(client),
            _ => connect(self.stage.gateway.address),
        }
    }

    fn enter(&self, kind: &'static str, ask: &Ask, ending: Ending) {
        self.stage.books().call(kind, ask, ending);
    }

    /// Sends, reads, and keeps the connection if it lives.
    fn exchange(
        &mut self,
        ask: &Ask,
        close: bool,
        send: impl FnOnce(&mut Client) -> std::io::Result<()>,
        read: impl FnOnce(&mut Client) -> std::io::Result<Reply>,
    ) -> Ending {
        let began = Instant::now();
        let mut client = match self.connection() {
            Ok(client) => client,
            Err(ending) => return ending,
        };
        let port = client.stream().local_addr().map_or(0, |a| a.port());
        // Who answers early may read no more: the reply says what happened.
        let _ = send(&mut client);
        let (ending, lives) = settle(ask, began, || read(&mut client));
        if ending == Ending::Error(Error::Cut) && !ask.function.makes(Error::Cut) {
            let after = began.elapsed();
            let context = format!("port {port}, after {after:?}, before it {:?}", self.before);
            self.stage.books().note(&format!("{ask:?}: {context}"));
        }
        if lives {
            self.kept = Some((client, Instant::now()));
        } else if close && ending == Ending::Answered && !client.is_closed(CLOSE_PATIENCE) {
            return Ending::Error(Error::Surplus);
        }
        ending
    }

    fn whole(&mut self) {
        let ask = self.ask();
        let close = self.random.below(8) == 0;
        let bytes = ask.bytes(close);
        let method = ask.method();
        let ending = self.exchange(&ask, close, |c| c.send(&bytes), |c| c.reply(method));
        self.enter("whole", &ask, ending);
        self.before = Some(ask);
    }

    /// Several requests in one send, replies in their order.
    fn pipelined(&mut self) {
        let asks: Vec<Ask> = (0..2 + self.random.below(4))
            .map(|_| {
                let function = [Function::Steady, Function::Rolling][self.random.below(2)];
                let mut ask = Ask::draw(&mut self.random, self.stage.id(), function);
                // The client reads none of the replies before it has sent everything.
                (ask.sends, ask.size) = (ask.sends % 2_000, ask.size % 20_000);
                ask
            })
            .collect();
        let bytes: Vec<u8> = asks.iter().flat_map(|ask| ask.bytes(false)).collect();
        let began = Instant::now();
        let mut connection = self.connection();
        if let Ok(client) = &mut connection {
            let _ = client.send(&bytes);
        }
        for ask in &asks {
            let (ending, lives) = match &mut connection {
                Ok(client) => settle(ask, began, || client.reply(ask.method())),
                Err(_) => (Ending::Error(Error::Cut), false),
            };
            if !lives {
                connection = Err(Ending::Error(Error::Cut));
            }
            self.enter("pipelined", ask, ending);
        }
        self.kept = connection.ok().map(|client| (client, Instant::now()));
    }

    fn leaves_amid_request(&mut self) {
        let ask = Ask {
            post: true,
            sends: 1_000 + self.random.below(1_000_000),
            ..self.ask()
        };
        let bytes = ask.bytes(false);
        let part = self.random.below(bytes.len());
        let ending = match connect(self.stage.gateway.address) {
            Ok(mut client) => {
                let _ = client.send(&bytes[..part]);
                self.leave(client)
            }
            Err(ending) => ending,
        };
        self.enter("left amid request", &ask, ending);
    }

    fn leaves_amid_reply(&mut self) {
        let mut ask = Ask::get(self.stage.id(), self.ask().function, 2_000_000);
        if self.random.below(2) == 0 {
            // Whose function is silent most of the time.
            (ask.size, ask.pieces, ask.pause_ms) = (2_000, 20, 50);
        }
        let ending = match connect(self.stage.gateway.address) {
            Ok(mut client) => {
                let _ = client.send(&ask.bytes(false));
                match self.random.below(3) {
                    0 => {}
                    1 => drop(client.line()),
                    _ => drop(client.exactly(self.random.below(1_000))),
                }
                self.leave(client)
            }
            Err(ending) => ending,
        };
        self.enter("left amid reply", &ask, ending);
    }

    /// Closes or resets.
    fn leave(&mut self, client: Client) -> Ending {
        if self.random.below(2) == 0 {
            reset_when_closed(client.stream());
        }
        drop(client);
        Ending::Aborted
    }

    fn reads_slowly(&mut self) {
        let size = 1_000_000 + self.random.below(2_000_000);
        let ask = Ask::get(self.stage.id(), self.steadfast(), size);
        let bytes = ask.bytes(false);
        let ending = self.exchange(&ask, false, |c| c.send(&bytes), slow_reply);
        self.enter("read slowly", &ask, ending);
    }

    fn sends_slowly(&mut self) {
        let ask = Ask {
            post: true,
            sends: 1 + self.random.below(100_000),
            ..Ask::draw(&mut self.random, self.stage.id(), Function::Rolling)
        };
        let bytes = ask.bytes(false);
        let send = |client: &mut Client| {
            for piece in bytes.chunks(bytes.len() / 6 + 1) {
                client.send(piece)?;
                std::thread::sleep(STEP);
            }
            Ok(())
        };
        let method = ask.method();
        let ending = self.exchange(&ask, false, send, |c| c.reply(method));
        self.enter("sent slowly", &ask, ending);
    }

    fn streams(&mut self) {
        let ask = Ask {
            pieces: 10 + self.random.below(40),
            pause_ms: self.random.below(60),
            ..Ask::get(self.stage.id(), self.steadfast(), 5_000)
        };
        let bytes = ask.bytes(false);
        let ending = self.exchange(&ask, false, |c| c.send(&bytes), |c| c.reply("GET"));
        self.enter("streams", &ask, ending);
    }

    fn asks_for_trouble(&mut self) {
        let mut ask = Ask::draw(&mut self.random, self.stage.id(), Function::Faulty);
        ask.fault = FAULTS[self.random.below(FAULTS.len())];
        let bytes = ask.bytes(false);
        let method = ask.method();
        let ending = self.exchange(&ask, false, |c| c.send(&bytes), |c| c.reply(method));
        self.enter("trouble", &ask, ending);
    }

    fn steadfast(&mut self) -> Function {
        [Function::Steady, Function::Rolling, Function::Elastic][self.random.below(3)]
    }
}

/// Reads a reply with a length in small steps, so that everyone behind it has to wait.
fn slow_reply(client: &mut Client) -> std::io::Result<Reply> {
    let first = client.line()?;
    let status = first.get(9..12).and_then(|s| s.parse().ok());
    let mut reply = Reply {
        status: status.ok_or_else(|| std::io::Error::other(first))?,
        headers: Vec::new(),
        body: Vec::new(),
        trailers: Vec::new(),
        complete: true,
    };
    loop {
        let line = client.line()?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        let name = name.to_ascii_lowercase();
        reply.headers.push((name, value.to_owned()));
    }
    let length = reply.header("content-length").and_then(|n| n.parse().ok());
    let length: usize = length.ok_or_else(|| std::io::Error::other("no length"))?;
    while reply.body.len() < length {
        std::thread::sleep(STEP);
        let next = (length - reply.body.len()).min(length / 16 + 1);
        match client.exactly(next) {
            Ok(bytes) => reply.body.extend(bytes),
            Err(_) => {
                reply.complete = false;
                break;
            }
        }
    }
    Ok(reply)
}

/// Of the function `vice` at `/proof`; the last is none for its own call, but for the next one on
/// that connection.
const FAULTS: [&str; 4] = ["reset", "amid-request", "amid-reply", "after-reply"];
/// Between two clients of an actor.
const THINK_MS_MAX: usize = 20;
/// An older idle connection may be closed at any moment: the gateway's `RINGWAY_IDLE_TIMEOUT` is
/// 60 s, and whoever left amid a short reply may have waited for 30 s more than once.
const IDLE_MAX: Duration = Duration::from_secs(50);
/// Between two steps of someone slow.
const STEP: Duration = Duration::from_millis(20);
/// For a close that was asked for.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
