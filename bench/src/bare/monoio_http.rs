//! A minimal reverse proxy of monoio-http: its decoders and encoders, and a list of idle
//! connections. A body with a length is read whole before it is sent on, as that library does.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use monoio::io::sink::SinkExt;
use monoio::io::stream::Stream;
use monoio::io::{OwnedReadHalf, OwnedWriteHalf, Splitable};
use monoio::net::{TcpListener, TcpStream};
use monoio_http::h1::codec::decoder::{FillPayload, RequestDecoder, ResponseDecoder};
use monoio_http::h1::codec::encoder::GenericEncoder;

/// A connection to the function.
struct Upstream {
    encoder: GenericEncoder<OwnedWriteHalf<TcpStream>>,
    decoder: ResponseDecoder<OwnedReadHalf<TcpStream>>,
}

/// Proxies until killed.
pub(crate) fn run(listen: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let mut runtime = monoio::RuntimeBuilder::<monoio::FusionDriver>::new().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen)?;
        let idle: Rc<RefCell<Vec<Upstream>>> = Rc::default();
        loop {
            if let Ok((client, _)) = listener.accept().await {
                let _ = client.set_nodelay(true);
                monoio::spawn(serve(client, upstream, Rc::clone(&idle)));
            }
        }
    })
}

/// One client connection; `None` is its end, for whatever reason.
async fn serve(
    client: TcpStream,
    address: SocketAddr,
    idle: Rc<RefCell<Vec<Upstream>>>,
) -> Option<()> {
    let (reads, writes) = client.into_split();
    let mut requests = RequestDecoder::new(reads);
    let mut replies = GenericEncoder::new(writes);
    loop {
        let mut request = requests.next().await?.ok()?;
        let closes = request.headers_mut().remove("connection");
        let closes = closes.is_some_and(|value| value == "close");
        let taken = idle.borrow_mut().pop();
        let mut upstream = match taken {
            Some(upstream) => upstream,
            None => Upstream::dial(address).await?,
        };
        let (sent, _) = monoio::join!(
            upstream.encoder.send_and_flush(request),
            requests.fill_payload()
        );
        sent.ok()?;
        let reply = upstream.decoder.next().await?.ok()?;
        let (sent, _) = monoio::join!(
            replies.send_and_flush(reply),
            upstream.decoder.fill_payload()
        );
        sent.ok()?;
        idle.borrow_mut().push(upstream);
        if closes {
            return None;
        }
    }
}

impl Upstream {
    async fn dial(address: SocketAddr) -> Option<Self> {
        let socket = TcpStream::connect_addr(address).await.ok()?;
        socket.set_nodelay(true).ok()?;
        let (reads, writes) = socket.into_split();
        Some(Self {
            encoder: GenericEncoder::new(writes),
            decoder: ResponseDecoder::new(reads),
        })
    }
}
