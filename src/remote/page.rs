//! The page at `/transmission/web/`: its files, which are part of the program, and what a browser may do with them.
//! Everything else it shows it asks for by the calls that other clients use.

use super::gate::armoured;
use crate::wire::http::{Head, Reply};

/// What may be shown and run on our pages: nothing from elsewhere, nothing inline, no text that becomes a script, no
/// frames.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal $kind:ident)*) => { &[$(($name, $kind, include_str!(concat!("page/", $name)))),*] };
}

/// The files: name, kind, text.
const FILES: &[(&str, &str, &str)] = files! {
    "index.html" HTML
    "style.css" STYLE
    "icon.svg" PICTURE
    "app.js" SCRIPT
    "actions.js" SCRIPT
    "add.js" SCRIPT
    "details.js" SCRIPT
    "dom.js" SCRIPT
    "draw.js" SCRIPT
    "filters.js" SCRIPT
    "group.js" SCRIPT
    "list.js" SCRIPT
    "prefs.js" SCRIPT
    "rpc.js" SCRIPT
    "settings.js" SCRIPT
    "store.js" SCRIPT
    "tables.js" SCRIPT
    "text.js" SCRIPT
    "torrent_file.js" SCRIPT
    "tree.js" SCRIPT
};

/// A file of the page; the name stands behind the page's folder.
pub fn page(name: &str, head: &Head<'_>) -> Reply {
    let name = if name.is_empty() { "index.html" } else { name };
    let Some((_, kind, text)) = FILES.iter().find(|(known, ..)| *known == name) else {
        return guarded(armoured(Reply::text(404, "There is nothing here.")));
    };
    let mark = mark(text);
    let is_known = head.all("if-none-match").flat_map(|marks| marks.split(',')).any(|known| known.trim() == mark);
    let reply = match is_known {
        true => Reply::new(304, "", Vec::new()),
        false => Reply::new(200, kind, text.as_bytes()),
    };
    let mut reply = guarded(armoured(reply));
    // A browser may keep them, but asks each time: another version of the program has others.
    reply.fields.retain(|(name, _)| *name != "Cache-Control");
    reply.with("Cache-Control", "no-cache").with("ETag", mark)
}

fn guarded(reply: Reply) -> Reply {
    reply
        .with("Content-Security-Policy", POLICY)
        .with("Cross-Origin-Opener-Policy", "same-origin")
        .with("Cross-Origin-Resource-Policy", "same-origin")
}

/// Tells versions of a file apart: FNV-1a of its bytes.
fn mark(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("\"{:016x}\"", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http;

    fn reply(name: &str, more: &str) -> Reply {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        let mut room = http::room();
        page(name, &Head::parse(text.as_bytes(), &mut room).unwrap())
    }

    fn field<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
        reply.fields.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn files_are_found_and_kept_until_they_change() {
        let first = reply("", "");
        assert_eq!((first.status, first.kind), (200, HTML));
        let mark = field(&first, "ETag")[0];
        assert_eq!(reply("", &format!("If-None-Match: W/\"x\", {mark}\r\n")).status, 304);
        assert_eq!(reply("app.js", &format!("If-None-Match: {mark}\r\n")).status, 200);
        assert_eq!(field(&first, "Cache-Control"), ["no-cache"]);
        for name in ["../rpc", "page.rs", "app.js/", "%61pp.js", "nothing"] {
            let reply = reply(name, "");
            assert_eq!((reply.status, field(&reply, "Cache-Control")), (404, vec!["no-store"]), "{name}");
            assert_eq!(field(&reply, "Content-Security-Policy"), [POLICY]);
        }
    }

    /// A file that is not in the table would be missing on the page, and one that nobody asks for would be dead.
    #[test]
    fn the_files_ask_for_each_other_and_for_nothing_else() {
        let names: Vec<&str> = FILES.iter().map(|(name, ..)| *name).collect();
        let all: String = FILES.iter().map(|(_, _, text)| *text).collect();
        for name in names.iter().filter(|name| **name != "index.html") {
            assert!(all.contains(&format!("\"{name}\"")) || all.contains(&format!("\"./{name}\"")), "{name}");
        }
        for (file, _, text) in FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT) {
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let from = line.split('"').nth(1).and_then(|from| from.strip_prefix("./")).unwrap_or_default();
                assert!(names.contains(&from), "{file}: {line}");
            }
            let first = text.lines().next().unwrap_or_default();
            assert!(
                first.starts_with("// ") && text.lines().count() <= 400,
                "{file}: its duty, and at most 400 lines"
            );
        }
    }

    /// The policy would stop them in a browser; here nobody writes them in the first place.
    #[test]
    fn nothing_on_the_page_is_inline_foreign_or_html_made_of_text() {
        let forbidden = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "createContextualFragment",
            "DOMParser",
            "srcdoc",
            "eval(",
            "new Function",
            "setTimeout(\"",
            "javascript:",
            " style=\"",
            "<style",
            "onclick=\"",
            "onload=\"",
            "onerror=\"",
            "@import",
            "url(",
        ];
        for (file, kind, text) in FILES {
            for word in forbidden {
                assert!(!text.contains(word), "{file}: {word}");
            }
            let plain = text.replace("http://www.w3.org/", "");
            let foreign = plain.matches("http://").count() + plain.matches("https://").count();
            // What a person may type is shown to him.
            let examples = plain.matches("https://…").count();
            assert_eq!(foreign, examples, "{file} names another site");
            let scripts = text.matches("<script").count();
            assert_eq!(scripts, usize::from(*kind == HTML), "{file}");
        }
    }
}
