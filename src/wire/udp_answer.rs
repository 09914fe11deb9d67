//! A tracker's answers over UDP (BEP 15), written behind what is there: a busy tracker has no time to allocate.

use super::udp_tracker::{ANNOUNCE, CONNECT, ERROR, SCRAPE};

/// Longest answer to an announce or scrape: no router on the way cuts it into fragments.
pub const LEN_MAX: usize = 1200;
/// Peers of IPv4 and of IPv6 that fit behind the numbers of an announce's answer.
pub const V4_MAX: usize = (LEN_MAX - 20) / 6;
pub const V6_MAX: usize = (LEN_MAX - 20) / 18;

fn numbers<const N: usize>(to: &mut Vec<u8>, numbers: [u32; N]) {
    numbers.iter().for_each(|number| to.extend_from_slice(&number.to_be_bytes()));
}

/// A connection id.
pub fn connected(to: &mut Vec<u8>, transaction: u32, connection: u64) {
    numbers(to, [CONNECT, transaction]);
    to.extend_from_slice(&connection.to_be_bytes());
}

/// Everything before the peers, which follow as 6 or 18 bytes each; [`set_numbers`] fills in what is known only then,
/// told where the answer starts.
pub fn announced(to: &mut Vec<u8>, transaction: u32) {
    numbers(to, [ANNOUNCE, transaction, 0, 0, 0]);
}

/// The numbers of the answer to an announce that starts at `start`.
pub fn set_numbers(to: &mut [u8], start: usize, interval_s: u32, leechers: u32, seeds: u32) {
    let places = to.get_mut(start + 8..).unwrap_or_default().chunks_exact_mut(4);
    for (place, number) in places.zip([interval_s, leechers, seeds]) {
        place.copy_from_slice(&number.to_be_bytes());
    }
}

/// Everything before the rows of [`scraped_row`].
pub fn scraped(to: &mut Vec<u8>, transaction: u32) {
    numbers(to, [SCRAPE, transaction]);
}

/// One torrent, in the order asked.
pub fn scraped_row(to: &mut Vec<u8>, seeds: u32, downloaded: u32, leechers: u32) {
    numbers(to, [seeds, downloaded, leechers]);
}

/// It is refused, in words for people.
pub fn failed(to: &mut Vec<u8>, transaction: u32, why: &str) {
    numbers(to, [ERROR, transaction]);
    to.extend_from_slice(why.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::announce::Scraped;
    use super::super::udp_tracker::Answer;
    use super::*;

    fn read(write: impl FnOnce(&mut Vec<u8>)) -> (u32, Answer) {
        let mut bytes = b"before".to_vec();
        write(&mut bytes);
        Answer::parse(&bytes[6..], [127, 0, 0, 1].into()).unwrap()
    }

    #[test]
    fn clients_read_what_is_written() {
        assert_eq!(read(|to| connected(to, 7, 1 << 60)), (7, Answer::Connected { connection: 1 << 60 }));
        let (transaction, answer) = read(|to| {
            announced(to, 8);
            to.extend_from_slice(&[10, 0, 0, 1, 0, 80]);
            set_numbers(to, 6, 1800, 2, 1);
        });
        let Answer::Announced(reply) = answer else { panic!("{answer:?}") };
        assert_eq!((transaction, reply.interval_s), (8, Some(1800)));
        assert_eq!((reply.incomplete, reply.complete), (Some(2), Some(1)));
        assert_eq!(reply.peers, ["10.0.0.1:80".parse().unwrap()]);
        let (_, answer) = read(|to| {
            scraped(to, 9);
            scraped_row(to, 1, 2, 3);
        });
        let row = Scraped { complete: Some(1), downloaded: Some(2), incomplete: Some(3), downloaders: None };
        assert_eq!(answer, Answer::Scraped(vec![row]));
        assert_eq!(read(|to| failed(to, 1, "no")), (1, Answer::Failed("no".into())));
    }
}
