//! TLS to a cluster: who is trusted, and by which name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use panko_control_server::cluster::Cluster;
use panko_control_server::config::{self, Tls};
use panko_control_server::identify::{GET_SYSTEM_INFO, method};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Code, Status};

/// The name on the server's certificate. Nothing is found under it.
const NAME: &str = "temporal.internal";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for a name, and its key, in PEM.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// A server that answers every call with an empty message, to clients of the authority alone.
async fn serve(authority: &Authority) -> std::net::SocketAddr {
    let (cert, key) = authority.certify(NAME);
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(cert, key))
        .client_ca_root(Certificate::from_pem(authority.0.pem()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(async || {
        let body = axum::body::Body::from(&b"\0\0\0\0\0"[..]);
        http::Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "0")
            .body(body)
            .unwrap()
    });
    let server = Server::builder().tls_config(tls).unwrap().add_routes(router.into());
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

fn file(folder: &Path, name: &str, text: &str) -> Option<std::path::PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    Some(path)
}

async fn call(address: std::net::SocketAddr, tls: Tls) -> Result<Bytes, Status> {
    let config = config::Cluster {
        name: "a".to_owned(),
        address: address.to_string(),
        tls: Some(tls),
        api_key_file: None,
        nexus_callback_url: None,
        ring: 0,
    };
    let cluster = Cluster::new(&config).unwrap();
    let info = method(GET_SYSTEM_INFO).unwrap();
    cluster.call(info, cluster.own(), Bytes::new(), Duration::from_secs(5)).await
}

#[tokio::test]
async fn a_cluster_is_trusted_by_its_authority_and_its_name_and_sees_panko_s_certificate() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let address = serve(&authority).await;
    let (cert, key) = authority.certify("panko.internal");
    let good = Tls {
        ca: file(folder.path(), "ca.pem", &authority.0.pem()),
        cert: file(folder.path(), "panko.pem", &cert),
        key: file(folder.path(), "panko.key", &key),
        server_name: Some(NAME.to_owned()),
        workers_share_cert: true,
    };
    assert_eq!(call(address, good.clone()).await.unwrap(), Bytes::new());

    let stranger = Tls { ca: None, ..good.clone() };
    let other_name = Tls { server_name: None, ..good.clone() };
    let nobody = Tls { cert: None, key: None, ..good.clone() };
    for (what, wrong) in
        [("no authority", stranger), ("another name", other_name), ("no certificate", nobody)]
    {
        let status = call(address, wrong).await.expect_err(what);
        assert_eq!(status.code(), Code::Unavailable, "{what}: {status}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls { ca: file(folder.path(), "ca.pem", ""), ..Tls::default() };
    let config = config::Cluster {
        name: "a".to_owned(),
        address: "localhost:7233".to_owned(),
        tls: Some(tls),
        api_key_file: None,
        nexus_callback_url: None,
        ring: 0,
    };
    for text in ["", "-----BEGIN CERTIFICATE-----\n?"] {
        file(folder.path(), "ca.pem", text);
        let told = Cluster::new(&config).unwrap_err().to_string();
        assert!(told.contains("ca.pem") && told.contains("PEM"), "{told}");
    }
}
