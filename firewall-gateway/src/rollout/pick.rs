//! What of a request says where it goes: a header or cookie by its value, or who it comes from.

use std::net::IpAddr;

use http::{HeaderMap, header};

use crate::policy::{Source, Sticky};

/// Whether a header or cookie has this value.
#[must_use]
pub fn fits(source: &Source, value: &str, headers: &HeaderMap) -> bool {
    find(source, headers) == Some(value.as_bytes())
}

/// A number for whom a request comes from, the same in every worker and after every start.
#[must_use]
pub fn place(sticky: &Sticky, headers: &HeaderMap, client: IpAddr, consumer: Option<&str>) -> u64 {
    let key = match sticky {
        Sticky::Source(source) => find(source, headers),
        Sticky::Consumer => consumer.map(str::as_bytes),
        Sticky::Address => None,
    };
    match (key, client) {
        (Some(key), _) => hash(key),
        (None, IpAddr::V4(address)) => hash(&address.octets()),
        // A client has a /64 to choose its addresses from.
        (None, IpAddr::V6(address)) => hash(address.octets().get(..8).unwrap_or_default()),
    }
}

fn find<'a>(source: &Source, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    match source {
        Source::Header(name) => headers.get(name).map(|value| value.as_bytes()),
        Source::Cookie(name) => headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
            .find_map(|pair| {
                let value = pair.trim_ascii_start().strip_prefix(name.as_bytes())?;
                value.strip_prefix(b"=").map(<[u8]>::trim_ascii_end)
            }),
    }
}

// FNV-1a, with the last step of SplitMix64: near keys come far apart. Whoever chooses a key chooses
// an upstream that it may have anyway, so the hash need not be secret.
fn hash(key: &[u8]) -> u64 {
    let fnv = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = key.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{fits, place};
    use crate::policy::{Source, Sticky};

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn headers_and_cookies_by_their_value() {
        let header = Source::Header("x-canary".to_owned());
        let cookie = Source::Cookie("canary".to_owned());
        for (source, list, expected) in [
            (&header, &[("x-canary", "yes")][..], true),
            (&header, &[("x-canary", "no")], false),
            (&header, &[("cookie", "canary=yes")], false),
            (&cookie, &[("cookie", "canary=yes")], true),
            (&cookie, &[("cookie", "a=b; canary=yes ;c=d")], true),
            (&cookie, &[("cookie", "a=b"), ("cookie", "canary=yes")], true),
            (&cookie, &[("cookie", "canary2=yes")], false),
            (&cookie, &[("cookie", "xcanary=yes")], false),
            (&cookie, &[("cookie", "canary")], false),
            (&cookie, &[], false),
        ] {
            assert_eq!(fits(source, "yes", &headers(list)), expected, "{source:?} {list:?}");
        }
    }

    #[test]
    fn a_client_has_a_place() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let none = headers(&[]);
        let of = |client: &str| place(&Sticky::Address, &none, address(client), None);
        assert_eq!(of("192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        let sticky = Sticky::Source(Source::Cookie("session".to_owned()));
        let with = |list, client: &str| place(&sticky, &headers(list), address(client), None);
        assert_eq!(
            with(&[("cookie", "session=a")], "192.0.2.1"),
            with(&[("cookie", "session=a; b=c")], "192.0.2.2")
        );
        assert_eq!(with(&[], "192.0.2.1"), of("192.0.2.1"));
        let who =
            |client: &str, consumer| place(&Sticky::Consumer, &none, address(client), consumer);
        assert_eq!(who("192.0.2.1", Some("shop")), who("192.0.2.2", Some("shop")));
        assert_ne!(who("192.0.2.1", Some("shop")), who("192.0.2.1", Some("blog")));
        assert_eq!(who("192.0.2.1", None), of("192.0.2.1"));
    }

    #[test]
    fn neighbours_come_far_apart() {
        let none = HeaderMap::new();
        let mut counts = [[0u32; 10]; 2];
        for number in 0..100_000u32 {
            let client = IpAddr::V4(Ipv4Addr::from(0xc633_0000 + number));
            let place = place(&Sticky::Address, &none, client, None);
            for (half, counts) in [place >> 32, place & 0xffff_ffff].into_iter().zip(&mut counts) {
                counts[((half * 10) >> 32) as usize] += 1;
            }
        }
        println!("expected about 10000 each, found {counts:?}");
        assert!(counts.iter().flatten().all(|count| count.abs_diff(10_000) < 500), "{counts:?}");
    }
}
