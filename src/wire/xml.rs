//! As much of XML as gateways speak: elements by their names without prefixes, and the text inside. Nothing is nested
//! here, no entity is defined, nothing is fetched: a document is read from left to right, once.

/// What comes next in a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part<'a> {
    /// `<u:name …>`, and for `<name/>` an end right after it.
    Begin(&'a str),
    End(&'a str),
    /// What stands between, with white space at its ends and entities as they are.
    Text(&'a str),
}

/// Reads a document part by part; what is broken ends it.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    rest: &'a str,
    /// The end of an element that was empty.
    end: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub fn new(text: &'a str) -> Parts<'a> {
        Parts { rest: text, end: None }
    }

    /// Passes over a mark that ends so, which was looked at up to here.
    fn pass(&mut self, from: usize, end: &str) -> Option<&'a str> {
        let (inside, rest) = self.rest.get(from..)?.split_once(end)?;
        self.rest = rest;
        Some(inside)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if let Some(name) = self.end.take() {
            return Some(Part::End(name));
        }
        loop {
            let at = self.rest.find('<')?;
            if at > 0 {
                let (text, rest) = self.rest.split_at(at);
                self.rest = rest;
                if !text.trim().is_empty() {
                    return Some(Part::Text(text));
                }
            }
            if self.rest.starts_with("<!--") {
                self.pass(4, "-->")?;
            } else if self.rest.starts_with("<![CDATA[") {
                return Some(Part::Text(self.pass(9, "]]>")?));
            } else if self.rest.starts_with("<?") {
                self.pass(2, "?>")?;
            } else if self.rest.starts_with("<!") {
                self.pass(2, ">")?;
            } else if self.rest.starts_with("</") {
                return Some(Part::End(name(self.pass(2, ">")?)));
            } else {
                let inside = self.pass(1, ">")?;
                let name = name(inside);
                self.end = inside.ends_with('/').then_some(name);
                return Some(Part::Begin(name));
            }
        }
    }
}

/// The name at the beginning of a tag, without its prefix.
fn name(inside: &str) -> &str {
    let whole = inside.split(|c: char| c.is_ascii_whitespace() || c == '/').next().unwrap_or_default();
    whole.rsplit(':').next().unwrap_or_default()
}

/// The text as it is meant: without white space around it, the five entities of XML as their characters.
pub fn plain(text: &str) -> String {
    let text = text.trim();
    if !text.contains('&') {
        return text.to_string();
    }
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain += before;
        let known = [("amp;", '&'), ("lt;", '<'), ("gt;", '>'), ("quot;", '"'), ("apos;", '\'')];
        match known.iter().find_map(|(name, c)| Some((after.strip_prefix(name)?, c))) {
            Some((after, c)) => {
                plain.push(*c);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain + rest
}

/// The text in the way in which it can stand between tags.
pub fn quoted(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_their_order() {
        let text =
            "<?xml version=\"1.0\"?><!DOCTYPE x><a:b c='1'>\n one <!-- <no> --><d/><e /><![CDATA[<f>]]></a:b >";
        let parts: Vec<Part<'_>> = Parts::new(text).collect();
        use Part::{Begin, End, Text};
        let expected =
            [Begin("b"), Text("\n one "), Begin("d"), End("d"), Begin("e"), End("e"), Text("<f>"), End("b")];
        assert_eq!(parts, expected);
        for broken in ["<a", "<a><!-- x", "<![CDATA[x", "<?x", "", "text alone"] {
            assert!(Parts::new(broken).all(|part| part == Part::Begin("a")), "{broken}");
        }
    }

    #[test]
    fn entities_are_the_five_of_xml() {
        assert_eq!(plain(" a&amp;b&lt;&gt;&quot;&apos;&#65;&x&"), "a&b<>\"'&#65;&x&");
        assert_eq!(plain(&quoted("a<b>&c")), "a<b>&c");
    }
}
