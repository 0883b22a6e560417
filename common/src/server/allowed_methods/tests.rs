use super::*;

#[test]
fn the_path_that_says_most_is_meant() {
    let known = |path: &str, methods: &[Method]| {
        (segments(path).map(str::to_owned).collect(), allow(methods.to_vec()).unwrap())
    };
    let methods = Methods(vec![
        known("/orders/{id}", &[Method::GET, Method::DELETE]),
        known("/orders/export", &[Method::GET]),
        known("/orders", &[Method::POST]),
    ]);
    for (path, allowed) in [
        ("/orders/7", Some("DELETE, GET, HEAD")),
        ("/orders/export/", Some("GET, HEAD")),
        ("//orders", Some("POST")),
        ("/orders/7/8", None),
        ("/", None),
    ] {
        assert_eq!(methods.at(path).map(|allow| allow.to_str().unwrap()), allowed, "{path}");
    }
}
