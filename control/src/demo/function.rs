//! `ringway demo-function`: the demo's long-lived function, a server on the port in `PORT`.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime;

use crate::cli;
use crate::settings::variables;

/// Serves until it is killed.
pub(crate) fn run() -> ExitCode {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(serve())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(&error),
    }
}

async fn serve() -> io::Result<()> {
    let variables = variables();
    let value = |name: &str| {
        variables
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.clone())
    };
    let port = value("PORT").and_then(|port| port.parse::<u16>().ok());
    let port = port.ok_or_else(|| io::Error::other("PORT must hold the port to listen on"))?;
    let instance = value("RINGWAY_INSTANCE").unwrap_or_default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let instance = instance.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let reply = hello(&request, &instance);
                async move { Ok::<_, Infallible>(reply) }
            });
            // A connection that breaks is the caller's business.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn hello(request: &Request<Incoming>, instance: &str) -> Response<Full<Bytes>> {
    let text = format!(
        "Hello from {instance}: {} {}\n",
        request.method(),
        request.uri()
    );
    Response::new(Full::from(text))
}
