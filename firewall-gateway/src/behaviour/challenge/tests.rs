//! Whose a solution and a pass are, for how long, and what is none.

use super::*;
use crate::generated::cases;

const BITS: u32 = 8;
const PASS_S: u32 = 600;
const NOW_S: u64 = 1_000_000;
const ENDS_S: u64 = NOW_S + CHALLENGE_S;

fn challenges() -> Challenges {
    Challenges::new(ChallengePagePolicy { difficulty_bits: BITS, pass_s: PASS_S }).unwrap()
}

fn holder(address: &str) -> Holder<'static> {
    Holder { address: address.parse().unwrap(), user_agent: b"Firefox/140" }
}

/// The first number that solves it, or the first that does not.
fn solution(task: &str, good: bool) -> String {
    let all = (0u64..).map(|number| format!("{task}.{number}"));
    all.into_iter().find(|text| (zero_bits(text) >= BITS) == good).unwrap()
}

fn with(pass: &HeaderValue) -> HeaderMap {
    let pair = pass.to_str().unwrap().split(';').next().unwrap();
    HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(pair).unwrap())])
}

#[test]
fn a_solution_is_its_clients_and_has_its_time() {
    let challenges = challenges();
    let one = holder("192.0.2.1");
    let task = challenges.challenge(&one, NOW_S, "n".to_owned()).task;
    let good = solution(&task, true);
    let (ends, signature) = task.split_once('.').unwrap();
    let stranger = self::challenges().challenge(&one, NOW_S, "n".to_owned()).task;
    let later = format!("{}.{signature}", ends.parse::<u64>().unwrap() + 1);
    let pass = challenges.signed(Use::Pass, &one, ENDS_S);
    for (name, text, who, now_s, expected) in [
        ("it holds", good.clone(), one, NOW_S, None),
        ("to its last second", good.clone(), one, ENDS_S - 1, None),
        ("once more", good.clone(), one, NOW_S + 1, None),
        ("too late", good.clone(), one, ENDS_S, Some(Outcome::Expired)),
        ("another address", good.clone(), holder("192.0.2.2"), NOW_S, Some(Outcome::Foreign)),
        (
            "another browser",
            good.clone(),
            Holder { user_agent: b"curl/8", ..one },
            NOW_S,
            Some(Outcome::Foreign),
        ),
        ("no solution", solution(&task, false), one, NOW_S, Some(Outcome::Wrong)),
        ("no number", format!("{task}.x"), one, NOW_S, Some(Outcome::Wrong)),
        ("a long one", format!("{task}.{}", "0".repeat(17)), one, NOW_S, Some(Outcome::Wrong)),
        ("another process'", solution(&stranger, true), one, NOW_S, Some(Outcome::Foreign)),
        ("one that ends later", solution(&later, true), one, NOW_S, Some(Outcome::Foreign)),
        (
            "its time in other words",
            solution(&format!("0{task}"), true),
            one,
            NOW_S,
            Some(Outcome::Foreign),
        ),
        ("a pass is none", solution(&pass, true), one, NOW_S, Some(Outcome::Foreign)),
        ("nothing", String::new(), one, NOW_S, Some(Outcome::Foreign)),
        ("half of it", format!("{ends}.7"), one, NOW_S, Some(Outcome::Foreign)),
    ] {
        assert_eq!(challenges.solved(&text, &who, now_s).err(), expected, "{name}");
    }
    let counted = challenges.figures().into_iter().map(|row| (row.label, row.count));
    let expected = [("shown", 1), ("solved", 3), ("expired", 1), ("foreign", 8), ("wrong", 3)];
    assert_eq!(
        counted.collect::<Vec<_>>(),
        expected.map(|(label, count)| (label.to_owned(), count))
    );
}

#[test]
fn a_pass_is_good_for_its_client_until_it_ends() {
    let challenges = challenges();
    let one = holder("2001:db8:1:2::1");
    let good = solution(&challenges.challenge(&one, NOW_S, "n".to_owned()).task, true);
    let pass = challenges.solved(&good, &one, NOW_S).unwrap();
    let ends_s = ENDS_S + u64::from(PASS_S);
    let shown = pass.to_str().unwrap();
    assert!(shown.starts_with("__Host-seawall-pass="), "{shown}");
    let like = format!("; Max-Age={}; Path=/; Secure; HttpOnly; SameSite=Lax", ends_s - NOW_S);
    assert!(shown.ends_with(&like), "{shown}");
    // Shown again at the last moment, a solution gives the same pass.
    let again = challenges.solved(&good, &one, ENDS_S - 1).unwrap();
    assert_eq!(with(&again), with(&pass));
    for (name, who, now_s, expected) in [
        ("at once", one, NOW_S, true),
        ("another address of its /64", holder("2001:db8:1:2:ff::9"), NOW_S, true),
        ("to its last second", one, ends_s - 1, true),
        ("too late", one, ends_s, false),
        ("another /64", holder("2001:db8:1:3::1"), NOW_S, false),
        ("another browser", Holder { user_agent: b"", ..one }, NOW_S, false),
    ] {
        assert_eq!(challenges.passes(&with(&pass), &who, now_s), expected, "{name}");
    }
    assert!(!challenges.passes(&HeaderMap::new(), &one, NOW_S));
    let task = challenges.signed(Use::Challenge, &one, ends_s);
    let task = HeaderValue::from_str(&format!("{PASS_COOKIE}={task}")).unwrap();
    assert!(!challenges.passes(&with(&task), &one, NOW_S), "a challenge is no pass");
}

#[test]
fn generated_solutions_and_passes_are_borne() {
    let challenges = challenges();
    let one = holder("192.0.2.1");
    let task = challenges.challenge(&one, NOW_S, "n".to_owned()).task;
    let seeds = [task.clone().into_bytes()];
    for bytes in cases(31, 20_000, &seeds) {
        let text = String::from_utf8_lossy(&bytes);
        let known = challenges.ends(Use::Challenge, &one, &text);
        assert_eq!(known, (*text == *task).then_some(ENDS_S), "{text}");
        // The one that holds is solved by some numbers in 256.
        let solved = challenges.solved(&text, &one, NOW_S);
        assert!(solved.is_err() || text.starts_with(&task), "{text}");
    }
}

#[test]
fn a_page_holds_its_challenge_and_runs_its_own_script_alone() {
    let challenges = challenges();
    let page = challenges.challenge(&holder("192.0.2.1"), NOW_S, "a1b2".to_owned());
    let answer = page.response(StatusCode::TOO_MANY_REQUESTS, "0123", 77);
    let html = std::str::from_utf8(answer.body()).unwrap();
    let begin = format!("data-task=\"{}\" data-bits=\"8\" data-wait=\"77\"", page.task);
    assert!(html.contains(&begin) && html.contains("Request 0123") && html.contains("<noscript>"));
    assert_eq!(html.matches("nonce=\"a1b2\"").count(), 2, "{html}");
    assert!(html.contains("fetch(`/.seawall/pass?${task}.${first + found}`"), "{html}");
    assert!(!html.contains('@'), "{html}");
    let mut headers = answer.headers().clone();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src *"));
    page.protect(&mut headers);
    let policy = headers.get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'nonce-a1b2'; "), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}
