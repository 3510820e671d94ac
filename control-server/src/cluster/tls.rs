//! TLS to a cluster, as `panko.yaml` describes it.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::Error;
use crate::config::{self, Tls};

/// What a connection to `cluster` is made with. One without TLS trusts nobody.
pub fn client_config(cluster: &config::Cluster) -> Result<ClientConfig, Error> {
    let failed = |source| Error::Tls { cluster: cluster.name.clone(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let Some(tls) = &cluster.tls else {
        let nobody = RootCertStore::empty();
        return Ok(builder.with_root_certificates(nobody).with_no_client_auth());
    };
    let builder = builder.with_root_certificates(roots(cluster, tls)?);
    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let bytes = super::read(cluster, key)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| pem(cluster, key, &e))?;
    builder.with_client_auth_cert(certificates(cluster, cert)?, key).map_err(failed)
}

/// The name that the cluster's certificate is for, if it is not its host.
pub fn server_name(cluster: &config::Cluster) -> Result<Option<ServerName<'static>>, Error> {
    let name = cluster.tls.as_ref().and_then(|tls| tls.server_name.clone());
    let parsed = name.map(|name| ServerName::try_from(name.clone()).map_err(|_| name)).transpose();
    parsed.map_err(|name| Error::ServerName { cluster: cluster.name.clone(), name })
}

fn roots(cluster: &config::Cluster, tls: &Tls) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(ca) => {
            for certificate in certificates(cluster, ca)? {
                let added = roots.add(certificate);
                added.map_err(|source| Error::Tls { cluster: cluster.name.clone(), source })?;
            }
        }
        // Some of a system's may be malformed; those that are not are enough.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

fn certificates(
    cluster: &config::Cluster,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = super::read(cluster, path)?;
    let parsed = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    match parsed.map_err(|e| pem(cluster, path, &e))? {
        none if none.is_empty() => Err(pem(cluster, path, &"there is no certificate in it")),
        certificates => Ok(certificates),
    }
}

fn pem(cluster: &config::Cluster, path: &Path, problem: &dyn std::fmt::Display) -> Error {
    let (cluster, path) = (cluster.name.clone(), path.display().to_string());
    Error::Pem { cluster, path, problem: problem.to_string() }
}
