//! How we prove to an authorization server which of its clients we are (RFC 6749, 2.3.1).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;

use crate::headers::never_indexed;

/// In a header: both are encoded as in a form before they are joined.
pub fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
    HeaderValue::try_from(format!("Basic {pair}")).ok().map(never_indexed)
}

/// In the form; a public client has nothing to prove and names itself.
pub fn post(form: &mut Serializer<'_, String>, id: &str, secret: Option<&str>) {
    form.append_pair("client_id", id);
    if let Some(secret) = secret {
        form.append_pair("client_secret", secret);
    }
}

#[cfg(test)]
mod tests {
    use super::{Serializer, basic, post};

    #[test]
    fn a_client_proves_who_it_is_as_forms_are_encoded() {
        for (id, secret, header, form) in [
            ("app", "secret", "Basic YXBwOnNlY3JldA==", "client_id=app&client_secret=secret"),
            // app%3A1:a+b%25%C3%A4
            (
                "app:1",
                "a b%\u{e4}",
                "Basic YXBwJTNBMTphK2IlMjUlQzMlQTQ=",
                "client_id=app%3A1&client_secret=a+b%25%C3%A4",
            ),
        ] {
            let value = basic(id, secret).unwrap();
            assert_eq!(value.to_str().unwrap(), header);
            assert!(value.is_sensitive());
            let mut written = Serializer::new(String::new());
            post(&mut written, id, Some(secret));
            assert_eq!(written.finish(), form);
        }
        let mut public = Serializer::new(String::new());
        post(&mut public, "app", None);
        assert_eq!(public.finish(), "client_id=app");
    }
}
