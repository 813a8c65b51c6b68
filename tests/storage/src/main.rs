//! `storage`: an S3-compatible server backed by a folder, in which every folder is a bucket. It follows the protocol
//! (multipart uploads, ranges, signatures), so that a recording takes the same path as in production.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

#[derive(Parser)]
#[command(about = "An S3-compatible server over a folder")]
struct Arguments {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Requests have to be signed with this key
    #[arg(long)]
    access_key: String,
    #[arg(long)]
    secret_key: String,
    /// The folder that holds the buckets
    root: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let files =
        FileSystem::new(&arguments.root).map_err(|error| anyhow!("opening {}: {error:?}", arguments.root.display()))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(arguments.access_key, arguments.secret_key));
    let service = service.build();
    let address = (arguments.host.as_str(), arguments.port);
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address:?}"))?;
    loop {
        let (socket, _) = listener.accept().await.context("accepting a connection")?;
        let service = service.clone();
        tokio::spawn(async move {
            // Clients may break off at any time.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
