//! Which country codes there are: a code that nothing carries would be a rule that never acts.

use firewall_common::Country;

/// ISO 3166-1 alpha-2, the 249 assigned codes of 2024.
const ASSIGNED: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI \
    BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN \
    CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK \
    FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN \
    KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK \
    ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP \
    NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF \
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI \
    VN VU WF WS YE YT ZA ZM ZW";

/// Codes that are not assigned, but that country databases use.
const USED: &str = "XK";

/// Reads a code.
///
/// # Errors
///
/// What was expected, and what was meant where that can be told.
pub fn parse(text: &str) -> Result<Country, String> {
    let shown: String = text.chars().take(16).collect();
    let hint = match text {
        "UK" => "; the United Kingdom is GB",
        "EU" => "; list the member countries",
        "EL" => "; Greece is GR",
        "KO" => "; Kosovo is XK, Korea is KR or KP",
        "YU" | "CS" => "; Serbia is RS, Montenegro is ME",
        lower if Country::parse(&lower.to_ascii_uppercase()).is_some_and(is_known) => {
            "; write it in upper case"
        }
        _ => "",
    };
    Country::parse(text).filter(|country| is_known(*country)).ok_or_else(|| {
        format!("expected a country as ISO 3166-1 alpha-2, such as DE, found {shown:?}{hint}")
    })
}

fn is_known(country: Country) -> bool {
    let letters = country.letters();
    ASSIGNED.split_ascii_whitespace().chain([USED]).any(|code| code.as_bytes() == letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_codes_alone() {
        assert_eq!(ASSIGNED.split_ascii_whitespace().count(), 249);
        for text in ["DE", "GB", "XK", "ZW", "AD", "NO"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        let expected = "expected a country as ISO 3166-1 alpha-2, such as DE, found";
        for (text, hint) in [
            ("UK", "\"UK\"; the United Kingdom is GB"),
            ("de", "\"de\"; write it in upper case"),
            ("XX", "\"XX\""),
            ("", "\"\""),
            ("DEU", "\"DEU\""),
        ] {
            assert_eq!(parse(text), Err(format!("{expected} {hint}")));
        }
    }
}
