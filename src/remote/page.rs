//! The page at `/transmission/web/`: for now it says what listens here, and how it is used.

use super::gate::armoured;
use crate::wire::http::Reply;

/// What may be shown and run on our pages: nothing from elsewhere, nothing inline, no frames.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const INDEX: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width\">\n<title>peerlink</title>\n\
<h1>peerlink is running</h1>\n\
<p>This is the remote control of a daemon. It is used by <code>peerlink list</code>, <code>add</code>, \
<code>status</code>, <code>start</code>, <code>stop</code>, <code>remove</code> and <code>set</code>, and by every \
program that controls Transmission.</p>\n</html>\n";

/// A file of the page; the name stands behind the page's folder.
pub fn page(name: &str) -> Reply {
    let reply = match name {
        "" | "index.html" => Reply::new(200, "text/html; charset=utf-8", INDEX.as_bytes()),
        _ => Reply::text(404, "There is nothing here."),
    };
    armoured(reply).with("Content-Security-Policy", POLICY)
}
