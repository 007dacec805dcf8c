//! Whose certificates are trusted.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::live::address::Address;
use crate::live::error::{LiveError, Result};

/// Whom a TLS client believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those whom the system trusts.
    #[default]
    System,
    /// The certificates in a PEM file (`--cacert` of redis-cli).
    File(PathBuf),
    /// Anyone, by whatever name (`--insecure` of redis-cli).
    Anyone,
}

/// What a client for `address` is configured with.
///
/// # Errors
/// [`LiveError::Tls`] when there is no certificate to trust.
pub fn config(trust: &Trust, address: &str) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let cannot = |reason: String, remedy: &str| LiveError::Tls {
        address: address.to_owned(),
        reason,
        remedy: remedy.to_owned(),
    };
    let builder = builder.map_err(|error| cannot(error.to_string(), "report this"))?;
    let roots = match trust {
        Trust::Anyone => {
            let verifier = Arc::new(Believer::new(&provider));
            let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
            return Ok(Arc::new(builder.with_no_client_auth()));
        }
        Trust::File(path) => {
            let shown = path.display();
            let bytes = fs::read(path).map_err(|error| {
                cannot(format!("{shown}: {error}"), "correct the path of the certificates")
            })?;
            let certificates: std::result::Result<Vec<_>, _> =
                CertificateDer::pem_slice_iter(&bytes).collect();
            certificates
                .map_err(|error| cannot(format!("{shown}: {error:?}"), "name a file in PEM format"))?
        }
        Trust::System => rustls_native_certs::load_native_certs().certs,
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(roots);
    if added == 0 {
        let reason = "there is no certificate to trust".to_owned();
        return Err(cannot(reason, "name them: --cacert FILE, or --insecure to trust anyone"));
    }
    Ok(Arc::new(builder.with_root_certificates(store).with_no_client_auth()))
}

/// The error of a handshake that failed.
pub fn failed(address: &Address, reason: String) -> LiveError {
    let remedy = if reason.contains("certificate") {
        "name who signed it: --cacert FILE; or --insecure to trust anyone"
    } else {
        "if the server does not speak TLS on this port, write redis://"
    };
    LiveError::Tls { address: address.to_string(), reason, remedy: remedy.to_owned() }
}

/// Believes every certificate; signatures are checked all the same.
#[derive(Debug)]
struct Believer(WebPkiSupportedAlgorithms);

impl Believer {
    fn new(provider: &CryptoProvider) -> Self {
        Believer(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
