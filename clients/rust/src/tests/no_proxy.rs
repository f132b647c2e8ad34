use crate::http::is_excluded;

#[test]
fn no_proxy_matches_hosts_and_their_domains() {
    for excluded in ["example.com", ".example.com", "*.example.com", "a, licenses.EXAMPLE.com ", "*"] {
        assert!(is_excluded("licenses.example.com", excluded), "{excluded}");
    }
    for excluded in ["", ",", "ample.com", "example.org", "x.licenses.example.com"] {
        assert!(!is_excluded("licenses.example.com", excluded), "{excluded}");
    }
    assert!(is_excluded("[::1]", "::1"));
}
