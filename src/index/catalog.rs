//! All published torrents in memory: found by hash, number, name and words; counted against the caps.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::{Counts, Swarms};
use crate::base::InfoHash;
use crate::wire::http::arguments;
use crate::wire::url::percent_decode;

/// Torrents of one page.
pub const PAGE_LEN: usize = 50;
/// Torrents of one page where a program asks for so many.
const LIMIT_MAX: usize = 500;
/// Words of one search, and bytes of each.
const WORDS_MAX: usize = 8;
const WORD_LEN: usize = 64;

/// The order of a listing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Sort {
    /// Newest first.
    #[default]
    Age,
    Name,
    /// Largest first.
    Size,
    /// Most seeds first.
    Seeds,
}

impl Sort {
    pub const ALL: [(Sort, &str); 4] =
        [(Sort::Age, "age"), (Sort::Name, "name"), (Sort::Size, "size"), (Sort::Seeds, "seeds")];

    /// As it stands in a query.
    pub fn word(self) -> &'static str {
        Sort::ALL.iter().find(|(sort, _)| *sort == self).map_or("age", |(_, word)| word)
    }
}

/// What a listing is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// As typed, for the search field.
    pub text: String,
    /// Lower case; all of them must be in name or description.
    words: Vec<String>,
    /// Exactly this name, whatever its case.
    name: Option<String>,
    number: Option<u32>,
    pub sort: Sort,
    /// Counted from 1.
    pub page: usize,
    pub limit: usize,
}

impl Query {
    /// Reads the query of a URL; what is malformed or unknown counts as not said.
    pub fn parse(query: &str) -> Query {
        let mut found = Query {
            text: String::new(),
            words: Vec::new(),
            name: None,
            number: None,
            sort: Sort::Age,
            page: 1,
            limit: PAGE_LEN,
        };
        for (key, value) in arguments(query) {
            let value = || decoded(value);
            match key {
                "q" => found.text = value().chars().take(WORDS_MAX * WORD_LEN).collect(),
                "name" => found.name = Some(value().to_lowercase()),
                "number" => found.number = Some(value().parse().unwrap_or(0)),
                "sort" => {
                    let word = value();
                    let known = Sort::ALL.iter().find(|(_, known)| *known == word);
                    found.sort = known.map_or(Sort::Age, |(sort, _)| *sort);
                }
                "page" => found.page = value().parse().unwrap_or(1).max(1),
                "limit" => found.limit = value().parse().unwrap_or(PAGE_LEN).clamp(1, LIMIT_MAX),
                _ => {}
            }
        }
        let words = found.text.split_whitespace().take(WORDS_MAX);
        found.words = words.map(|word| word.to_lowercase().chars().take(WORD_LEN).collect()).collect();
        found
    }

    fn asks_for_all(&self) -> bool {
        self.words.is_empty() && self.name.is_none() && self.number.is_none()
    }

    fn fits(&self, entry: &Entry) -> bool {
        let has_words = || {
            let text = format!("{}\n{}", entry.name, entry.description).to_lowercase();
            self.words.iter().all(|word| text.contains(word.as_str()))
        };
        self.number.is_none_or(|number| number == entry.number)
            && self.name.as_ref().is_none_or(|name| *name == entry.name.to_lowercase())
            && (self.words.is_empty() || has_words())
    }
}

/// `%XX` and `+` of a form's value as text.
pub fn decoded(value: &str) -> String {
    String::from_utf8_lossy(&percent_decode(&value.replace('+', " "))).into_owned()
}

/// One row of a listing.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    pub info_hash: InfoHash,
    pub entry: &'a Entry,
    /// None where no tracker can say.
    pub counts: Option<Counts>,
}

/// A page of a listing.
#[derive(Debug)]
pub struct Listing<'a> {
    /// Torrents that fit, on all pages.
    pub total: usize,
    /// The page, which may be another one than was asked for when there are fewer.
    pub page: usize,
    pub pages: usize,
    pub rows: Vec<Row<'a>>,
}

/// The published torrents.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: BTreeMap<InfoHash, Entry>,
    by_number: BTreeMap<u32, InfoHash>,
    next_number: u32,
    listed_count: usize,
    /// Payload of the listed ones.
    listed_size: u64,
    disk_len: u64,
}

impl Catalog {
    pub fn get(&self, info_hash: InfoHash) -> Option<&Entry> {
        self.entries.get(&info_hash)
    }

    /// A number nobody had before, in this run.
    pub fn new_number(&mut self) -> u32 {
        self.next_number = self.next_number.max(1);
        self.next_number = self.next_number.saturating_add(1);
        self.next_number - 1
    }

    /// Adds an entry. False where its hash or its number is taken.
    pub fn insert(&mut self, info_hash: InfoHash, entry: Entry) -> bool {
        if self.entries.contains_key(&info_hash) || self.by_number.contains_key(&entry.number) {
            return false;
        }
        self.next_number = self.next_number.max(entry.number.saturating_add(1));
        self.by_number.insert(entry.number, info_hash);
        self.listed_count += usize::from(!entry.is_private);
        self.listed_size = self.listed_size.saturating_add(if entry.is_private { 0 } else { entry.size });
        self.disk_len += entry.disk_len();
        self.entries.insert(info_hash, entry);
        true
    }

    pub fn remove(&mut self, info_hash: InfoHash) -> Option<Entry> {
        let entry = self.entries.remove(&info_hash)?;
        self.by_number.remove(&entry.number);
        self.listed_count -= usize::from(!entry.is_private);
        self.listed_size = self.listed_size.saturating_sub(if entry.is_private { 0 } else { entry.size });
        self.disk_len -= entry.disk_len();
        Some(entry)
    }

    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Torrents that are listed, and the bytes of their payload.
    pub fn listed(&self) -> (usize, u64) {
        (self.listed_count, self.listed_size)
    }

    /// Bytes on disk.
    pub fn disk_len(&self) -> u64 {
        self.disk_len
    }

    /// The page that was asked for, or the last one where there are fewer.
    pub fn list(&self, query: &Query, swarms: &dyn Swarms) -> Listing<'_> {
        let newest_first = self.by_number.values().rev();
        let listed = newest_first.filter_map(|hash| Some((*hash, self.entries.get(hash)?)));
        let listed = listed.filter(|(_, entry)| !entry.is_private);
        if query.sort == Sort::Age && query.asks_for_all() {
            let (page, pages) = paged(self.listed_count, query);
            let rows = listed.skip((page - 1) * query.limit).take(query.limit);
            let rows = rows.map(|(hash, entry)| row(hash, entry, swarms)).collect();
            return Listing { total: self.listed_count, page, pages, rows };
        }
        let mut found: Vec<(InfoHash, &Entry)> = listed.filter(|(_, entry)| query.fits(entry)).collect();
        match query.sort {
            Sort::Age => {}
            Sort::Name => found.sort_by_cached_key(|(_, entry)| entry.name.to_lowercase()),
            Sort::Size => found.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.size)),
            Sort::Seeds => found.sort_by_cached_key(|(hash, _)| {
                std::cmp::Reverse(swarms.counts(*hash).map(|counts| (counts.seeds, counts.peers)))
            }),
        }
        let (page, pages) = paged(found.len(), query);
        let rows = found.iter().skip((page - 1) * query.limit).take(query.limit);
        let rows = rows.map(|(hash, entry)| row(*hash, entry, swarms)).collect();
        Listing { total: found.len(), page, pages, rows }
    }

    pub fn check(&self) {
        assert_eq!(self.entries.len(), self.by_number.len(), "numbers and entries differ");
        let listed = self.entries.values().filter(|entry| !entry.is_private).count();
        assert_eq!(self.listed_count, listed, "the count of listed torrents");
        assert_eq!(self.disk_len, self.entries.values().map(Entry::disk_len).sum::<u64>(), "bytes on disk");
        assert!(self.by_number.keys().all(|number| *number < self.next_number), "a number was given twice");
    }
}

/// The page to show, and how many there are: at least one.
fn paged(total: usize, query: &Query) -> (usize, usize) {
    let pages = total.div_ceil(query.limit).max(1);
    (query.page.min(pages), pages)
}

fn row<'a>(info_hash: InfoHash, entry: &'a Entry, swarms: &dyn Swarms) -> Row<'a> {
    Row { info_hash, entry, counts: swarms.counts(info_hash) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seeds;

    impl Swarms for Seeds {
        fn counts(&self, info_hash: InfoHash) -> Option<Counts> {
            Some(Counts { seeds: u32::from(info_hash.0[0]) % 3, peers: 9 })
        }
    }

    fn catalog(count: u8) -> Catalog {
        let mut catalog = Catalog::default();
        for n in 1..=count {
            let entry = Entry {
                number: catalog.new_number(),
                size: u64::from(n) * 1000,
                file_count: 1,
                added_s: 1,
                torrent_len: 100,
                is_private: n % 5 == 0,
                is_bare: false,
                token: [0; 16],
                digest: [0; 20],
                name: format!("Film {:03} \u{c4}", 200 - n).into(),
                description: if n % 2 == 0 { "even".into() } else { "odd".into() },
            };
            assert!(catalog.insert(InfoHash([n; 20]), entry));
        }
        catalog.check();
        catalog
    }

    fn numbers(catalog: &Catalog, query: &str) -> Vec<u32> {
        catalog.list(&Query::parse(query), &Seeds).rows.iter().map(|row| row.entry.number).collect()
    }

    #[test]
    fn listings_are_paged_and_private_ones_left_out() {
        let catalog = catalog(120);
        let first = catalog.list(&Query::parse(""), &Seeds);
        assert_eq!((first.total, first.page, first.pages, first.rows.len()), (96, 1, 2, 50));
        assert_eq!(first.rows[0].entry.number, 119);
        let last = catalog.list(&Query::parse("page=9"), &Seeds);
        assert_eq!((last.page, last.rows.len(), last.rows[45].entry.number), (2, 46, 1));
        assert_eq!(numbers(&catalog, "limit=2&page=2"), [117, 116]);
        assert_eq!(numbers(&catalog, "limit=100000").len(), 96);
        assert_eq!(catalog.listed().0, 96);
        let empty = Catalog::default();
        let none = empty.list(&Query::parse("page=0&sort=name"), &Seeds);
        assert_eq!((none.page, none.pages, none.rows.len()), (1, 1, 0));
    }

    #[test]
    fn words_names_and_numbers_are_found() {
        let catalog = catalog(12);
        assert_eq!(numbers(&catalog, "q=FILM+even"), [12, 8, 6, 4, 2]);
        assert_eq!(numbers(&catalog, "q=%C3%A4+film+odd&limit=1"), [11]);
        assert_eq!(numbers(&catalog, "q=frob"), [0; 0]);
        assert_eq!(numbers(&catalog, "name=film%20199%20%C3%84"), [1]);
        assert_eq!(numbers(&catalog, "name=film"), [0; 0]);
        assert_eq!(numbers(&catalog, "number=3"), [3]);
        assert_eq!(numbers(&catalog, "number=5"), [0; 0], "private");
        assert_eq!(numbers(&catalog, "number=x"), [0; 0]);
    }

    #[test]
    fn orders() {
        let catalog = catalog(4);
        assert_eq!(numbers(&catalog, "sort=age"), [4, 3, 2, 1]);
        assert_eq!(numbers(&catalog, "sort=name"), [4, 3, 2, 1]);
        assert_eq!(numbers(&catalog, "sort=size"), [4, 3, 2, 1]);
        assert_eq!(numbers(&catalog, "sort=seeds"), [2, 4, 1, 3]);
        assert_eq!(numbers(&catalog, "sort=frob&q=film"), [4, 3, 2, 1]);
    }

    #[test]
    fn numbers_and_sums_survive_removals() {
        let mut catalog = catalog(6);
        for n in [6, 5, 1] {
            assert!(catalog.remove(InfoHash([n; 20])).is_some());
            catalog.check();
        }
        assert!(catalog.remove(InfoHash([1; 20])).is_none());
        assert_eq!(catalog.new_number(), 7);
        assert_eq!((catalog.count(), catalog.listed()), (3, (3, 9000)));
    }
}
