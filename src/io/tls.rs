//! TLS as a client: which certificate authorities are believed, and the session of a connection that the loop dialled.
//!
//! Believed are those of `--ca-file`, else those of the system, else Mozilla's as compiled in: nothing on disk is needed,
//! so boxes without a bundle work, and where there is one its owner decides. They are looked for when they are first
//! needed, since most runs need none.

use std::path::Path;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::sync::OnceLock;

/// Whom to believe. Clones share what was loaded.
#[derive(Clone)]
pub struct Trust {
    #[cfg(feature = "tls")]
    shared: Arc<Shared>,
}

/// Whom this process believes where nobody says otherwise.
static OF_PROCESS: OnceLock<Trust> = OnceLock::new();

impl Default for Trust {
    fn default() -> Trust {
        OF_PROCESS.get_or_init(Trust::of_system).clone()
    }
}

impl Trust {
    /// What [`Trust::default`] gives from now on. For the start of a program: what was given before stays as it was.
    pub fn believe(self) {
        if OF_PROCESS.set(self).is_err() {
            log::error!("too late to say whom to believe");
        }
    }

    /// Only the certificates of this PEM file.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn of_file(path: &Path) -> Result<Trust, String> {
        let text = std::fs::read(path).map_err(|e| format!("cannot read CA file {}: {e}", path.display()))?;
        Trust::from_pem(&text).map_err(|e| format!("CA file {}: {e}", path.display()))
    }
}

#[cfg(feature = "tls")]
mod with_tls {
    use std::io::{self, Read, Write};
    use std::path::{Path, PathBuf};

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::{Arc, OnceLock, Trust};

    /// Names a bundle that counts instead of the system's (OpenSSL).
    const FILE_VARIABLE: &str = "SSL_CERT_FILE";
    /// Where systems have their bundles: Debian and OpenWrt, Fedora, openSUSE, Red Hat, Alpine and older OpenWrt.
    const BUNDLES: [&str; 5] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    /// Bytes of a bundle; Debian's has 220 kB.
    const BUNDLE_LEN: u64 = 16 * 1024 * 1024;

    #[derive(Default)]
    pub struct Shared {
        given: Option<RootCertStore>,
        /// Bundles to look for instead of the system's; tests have their own.
        bundles: Option<Vec<PathBuf>>,
        config: OnceLock<Arc<ClientConfig>>,
    }

    impl Trust {
        /// Only the certificates of this PEM text. An error says what is wrong with it.
        pub fn from_pem(pem: &[u8]) -> Result<Trust, String> {
            let given = Some(read_pem(pem)?);
            Ok(Trust { shared: Arc::new(Shared { given, ..Shared::default() }) })
        }

        /// The system's authorities, else the built-in ones.
        pub(super) fn of_system() -> Trust {
            Trust { shared: Arc::default() }
        }

        /// The first of these bundles that can be used, else the built-in authorities.
        pub fn of_bundles(bundles: Vec<PathBuf>) -> Trust {
            Trust { shared: Arc::new(Shared { bundles: Some(bundles), ..Shared::default() }) }
        }

        /// Loads what is believed, if nobody has yet. Reads files: not for the loop.
        pub fn load(&self) {
            self.config();
        }

        pub(in crate::io) fn config(&self) -> Arc<ClientConfig> {
            Arc::clone(self.shared.config.get_or_init(|| Arc::new(config(self.shared.roots()))))
        }
    }

    impl Shared {
        fn roots(&self) -> RootCertStore {
            if let Some(given) = &self.given {
                return given.clone();
            }
            let named = || std::env::var_os(FILE_VARIABLE).map(PathBuf::from);
            let system = || named().into_iter().chain(BUNDLES.map(PathBuf::from)).collect();
            let bundles = self.bundles.clone().unwrap_or_else(system);
            bundles.iter().find_map(|path| read_bundle(path)).unwrap_or_else(|| {
                log::debug!("no bundle of certificates here: those compiled in are believed");
                RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
            })
        }
    }

    fn read_bundle(path: &Path) -> Option<RootCertStore> {
        let file = std::fs::File::open(path).ok()?;
        let mut pem = Vec::new();
        let read = file.take(BUNDLE_LEN).read_to_end(&mut pem).map_err(|e| e.to_string());
        match read.and_then(|_| read_pem(&pem)) {
            Ok(roots) => {
                log::debug!("{} certificate authorities of {} are believed", roots.len(), path.display());
                Some(roots)
            }
            Err(why) => {
                log::warn!("the certificates of {} are not used: {why}", path.display());
                None
            }
        }
    }

    /// Odd certificates among others are left out: bundles are full of them.
    fn read_pem(pem: &[u8]) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        roots.add_parsable_certificates(certificates.map_err(|e| format!("not PEM: {e}"))?);
        if roots.is_empty() { Err("no certificate in it".into()) } else { Ok(roots) }
    }

    fn config(roots: RootCertStore) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks the versions that are on by default")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// A session with whoever proves to have this name, a host name or an address.
    pub(in crate::io) fn session(trust: &Trust, name: &str) -> Result<ClientConnection, String> {
        let server = ServerName::try_from(name.to_owned()).map_err(|_| format!("{name} is no name of a server"))?;
        ClientConnection::new(trust.config(), server).map_err(|e| e.to_string())
    }

    /// TLS on a connection of the loop: ciphertext from and to the socket on one side, text on the other.
    pub struct Tls {
        session: ClientConnection,
        was_handshaking: bool,
    }

    impl Tls {
        /// Begins a session; what has to be said first is in [`Tls::to_send`].
        pub fn new(trust: &Trust, name: &str) -> Result<Tls, String> {
            let mut session = session(trust, name)?;
            // What a machine may queue is bounded by its connection's queue.
            session.set_buffer_limit(None);
            Ok(Tls { session, was_handshaking: true })
        }

        /// Ciphertext that is to be sent.
        pub fn to_send(&mut self) -> Vec<u8> {
            let mut bytes = Vec::new();
            while self.session.wants_write() && self.session.write_tls(&mut bytes).is_ok_and(|len| len > 0) {}
            bytes
        }

        /// Text for the other side.
        pub fn seal(&mut self, text: &[u8]) -> Vec<u8> {
            // Into memory, without a limit.
            let _ = self.session.writer().write_all(text);
            self.to_send()
        }

        /// One read of the socket, and what it means. True when the handshake is over by it.
        ///
        /// # Errors
        /// Of the socket (the kind tells), or of the other side (`InvalidData`). `UnexpectedEof`: it ended.
        pub fn read(&mut self, socket: &mut impl Read) -> io::Result<bool> {
            if self.session.read_tls(socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.session.process_new_packets().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            let is_over = self.was_handshaking && !self.session.is_handshaking();
            self.was_handshaking &= !is_over;
            Ok(is_over)
        }

        /// Text that came, as much as there is room for; 0: none is there.
        pub fn take(&mut self, room: &mut [u8]) -> usize {
            self.session.reader().read(room).unwrap_or(0)
        }

        /// The handshake is not over.
        pub fn is_handshaking(&self) -> bool {
            self.was_handshaking
        }
    }
}

#[cfg(feature = "tls")]
use with_tls::Shared;
#[cfg(feature = "tls")]
pub use with_tls::Tls;
#[cfg(feature = "tls")]
pub(super) use with_tls::session;

#[cfg(not(feature = "tls"))]
mod without_tls {
    use std::io::{self, Read};

    use super::Trust;

    const NONE: &str = "this peerlink was built without TLS";

    impl Trust {
        /// There is no TLS in this build.
        pub fn from_pem(_pem: &[u8]) -> Result<Trust, String> {
            Err(NONE.into())
        }

        pub(super) fn of_system() -> Trust {
            Trust {}
        }

        /// There is nothing to load.
        pub fn load(&self) {}
    }

    /// There is none.
    pub struct Tls(std::convert::Infallible);

    impl Tls {
        /// There is no TLS in this build.
        pub fn new(_trust: &Trust, _name: &str) -> Result<Tls, String> {
            Err(NONE.into())
        }

        pub fn to_send(&mut self) -> Vec<u8> {
            match self.0 {}
        }

        pub fn seal(&mut self, _text: &[u8]) -> Vec<u8> {
            match self.0 {}
        }

        pub fn read(&mut self, _socket: &mut impl Read) -> io::Result<bool> {
            match self.0 {}
        }

        pub fn take(&mut self, _room: &mut [u8]) -> usize {
            match self.0 {}
        }

        pub fn is_handshaking(&self) -> bool {
            match self.0 {}
        }
    }
}

#[cfg(not(feature = "tls"))]
pub use without_tls::Tls;

#[cfg(all(test, feature = "tls"))]
mod tests {
    use std::io::{self, Read};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use super::{Tls, Trust};

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
    }

    /// A server that is `localhost`, by the word of a throw-away authority.
    fn server() -> rustls::ServerConnection {
        let certificate = CertificateDer::from_pem_file(fixture("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        rustls::ServerConnection::new(Arc::new(config.with_single_cert(vec![certificate], key).unwrap())).unwrap()
    }

    /// What both sides say to each other until nothing more is said; whether hands were shaken.
    fn shake(tls: &mut Tls, server: &mut rustls::ServerConnection) -> io::Result<bool> {
        let mut is_done = false;
        loop {
            let said = tls.to_send();
            let mut heard = said.as_slice();
            while !heard.is_empty() {
                server.read_tls(&mut heard)?;
                server.process_new_packets().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            }
            let mut answer = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut answer)?;
            }
            if answer.is_empty() {
                return Ok(is_done);
            }
            let mut answer = answer.as_slice();
            while !answer.is_empty() {
                is_done |= tls.read(&mut answer)?;
            }
        }
    }

    fn meets(trust: &Trust, name: &str) -> bool {
        shake(&mut Tls::new(trust, name).unwrap(), &mut server()).unwrap_or(false)
    }

    #[test]
    fn the_first_bundle_that_can_be_used_counts_and_else_those_built_in() {
        let (ca, useless, missing) = (fixture("ca.pem"), fixture("server.key"), fixture("nothing.pem"));
        let of = |bundles: &[&PathBuf]| Trust::of_bundles(bundles.iter().map(|path| path.to_path_buf()).collect());
        assert!(meets(&of(&[&ca]), "localhost"));
        assert!(meets(&of(&[&missing, &useless, &ca]), "localhost"));
        assert!(!meets(&of(&[&ca]), "elsewhere.example"), "the name must be its own");
        let built_in = of(&[&missing, &useless]);
        assert!(!meets(&built_in, "localhost"));
        assert!(Tls::new(&built_in, "no name").is_err());
        assert!(meets(&Trust::of_file(&ca).unwrap(), "localhost"));
        assert!(Trust::of_file(&useless).err().unwrap().contains("no certificate in it"));
    }

    #[test]
    fn text_goes_both_ways_in_pieces_of_any_size() {
        let mut tls = Tls::new(&Trust::of_file(&fixture("ca.pem")).unwrap(), "localhost").unwrap();
        let mut server = server();
        assert!(tls.is_handshaking());
        assert!(shake(&mut tls, &mut server).unwrap());
        assert!(!tls.is_handshaking() && tls.to_send().is_empty());
        let sealed = tls.seal(&[7; 100_000]);
        let (mut heard, mut sealed) = (Vec::new(), sealed.as_slice());
        while !sealed.is_empty() {
            server.read_tls(&mut sealed).unwrap();
            server.process_new_packets().unwrap();
            let _ = server.reader().read_to_end(&mut heard);
        }
        assert!(heard == [7; 100_000]);
        // No more is read from the socket than there is room for, in the end.
        io::Write::write_all(&mut server.writer(), &[9; 50_000]).unwrap();
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let (mut wire, mut text) = (wire.as_slice(), Vec::new());
        while text.len() < 50_000 {
            let mut room = [0; 1000];
            match tls.take(&mut room) {
                0 => assert!(!tls.read(&mut wire).unwrap()),
                len => text.extend_from_slice(&room[..len]),
            }
        }
        assert!(text == [9; 50_000]);
    }
}
