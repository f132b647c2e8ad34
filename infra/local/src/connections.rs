//! Serves HTTP/1.1 connections. A client that sends too slowly, or nothing, does not hold its connection: the server closes
//! it without a response.

use std::{
    convert::Infallible,
    future::{Future, pending},
    io::{self, IoSlice},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    response::Response,
    serve::Listener,
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tower::ServiceExt;

/// Timeouts of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionTimeouts {
    /// The time from the connection, or from the first byte of a later request, to the end of the request's headers.
    pub headers: Duration,
    /// The time from the end of the headers to the end of the body.
    pub body: Duration,
    /// The time from a response to the first byte of the next request. It includes sending the response. Browsers and HTTP
    /// clients reuse connections for about a minute.
    pub idle: Duration,
}

impl Default for ConnectionTimeouts {
    fn default() -> Self {
        Self { headers: Duration::from_secs(10), body: Duration::from_secs(30), idle: Duration::from_secs(75) }
    }
}

impl ConnectionTimeouts {
    fn of(self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::Headers => Some(self.headers),
            Phase::Body => Some(self.body),
            Phase::Handler => None,
            Phase::Idle => Some(self.idle),
        }
    }
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The client sends the headers of a request, or has just connected.
    Headers,
    /// The client sends a body.
    Body,
    /// The handler creates the response. The request timeout limits it, except for the development issuer, which waits for nothing.
    Handler,
    /// The client receives the response, and may send another request.
    Idle,
}

/// The phase of one connection, shared by those who change it.
#[derive(Debug, Clone)]
struct CurrentPhase(Arc<watch::Sender<Phase>>);

impl CurrentPhase {
    fn set(&self, phase: Phase) {
        self.0.send_replace(phase);
    }

    /// Changes the phase from `from` to `to`, and leaves any other phase as it is.
    fn advance(&self, from: Phase, to: Phase) {
        self.0.send_if_modified(|phase| {
            let changes = *phase == from;
            if changes {
                *phase = to;
            }
            changes
        });
    }
}

/// Serves the connections of a listener until `stop` completes, then waits for running requests. Dropping the future
/// closes all connections.
pub(crate) async fn serve(
    mut listener: TcpListener,
    router: Router,
    timeouts: ConnectionTimeouts,
    stop: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    let (stopping, stopping_receiver) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            (stream, peer) = Listener::accept(&mut listener) => {
                let router = router.clone();
                connections.spawn(serve_connection(stream, peer, router, timeouts, stopping_receiver.clone()));
            }
            // Removes the results of closed connections from memory.
            Some(_) = connections.join_next() => {}
            () = &mut stop => break,
        }
    }
    drop((listener, stopping));
    while connections.join_next().await.is_some() {}
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    timeouts: ConnectionTimeouts,
    mut stopping: watch::Receiver<()>,
) {
    let (sender, receiver) = watch::channel(Phase::Headers);
    let phase = CurrentPhase(Arc::new(sender));
    let io = TokioIo::new(PhasedStream { stream, phase: phase.clone() });
    let service = service_fn(move |request| respond(request, peer, router.clone(), phase.clone()));
    // hyper's own timeout for headers would also limit how long a connection may be idle.
    let mut connection = pin!(http1::Builder::new().header_read_timeout(None).serve_connection(io, service));
    let mut expired = pin!(expired(receiver, timeouts));
    // What has arrived is handled first: on a busy machine, a timeout and data can be due at the same time.
    tokio::select! {
        biased;
        // Fails if the client disconnects or sends malformed HTTP, to which hyper has responded.
        _ = connection.as_mut() => return,
        () = expired.as_mut() => return,
        // The sender sends nothing; it is dropped.
        _ = stopping.changed() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        biased;
        _ = connection => {}
        () = expired => {}
    }
}

/// Completes when a phase has exceeded its timeout.
async fn expired(mut phase: watch::Receiver<Phase>, timeouts: ConnectionTimeouts) {
    loop {
        let timeout = timeouts.of(*phase.borrow_and_update());
        let timeout = async {
            match timeout {
                Some(timeout) => sleep(timeout).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = phase.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = timeout => return,
        }
    }
}

async fn respond(
    request: Request<Incoming>,
    peer: SocketAddr,
    router: Router,
    phase: CurrentPhase,
) -> Result<Response, Infallible> {
    phase.set(if request.body().is_end_stream() { Phase::Handler } else { Phase::Body });
    let mut request = request.map(|body| Body::new(PhasedBody { body, phase: phase.clone() }));
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.oneshot(request).await;
    phase.set(Phase::Idle);
    response
}

/// A request body. The phase [`Phase::Body`] ends when the handler has read it and drops it.
struct PhasedBody {
    body: Incoming,
    phase: CurrentPhase,
}

impl HttpBody for PhasedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for PhasedBody {
    fn drop(&mut self) {
        self.phase.advance(Phase::Body, Phase::Handler);
    }
}

/// A connection. The phase [`Phase::Idle`] ends when it receives a byte.
struct PhasedStream {
    stream: TcpStream,
    phase: CurrentPhase,
}

impl AsyncRead for PhasedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.phase.advance(Phase::Idle, Phase::Headers);
        }
        result
    }
}

impl AsyncWrite for PhasedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
