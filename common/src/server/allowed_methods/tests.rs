use super::*;

#[test]
fn path_with_more_literal_segments_takes_precedence() {
    let path_methods =
        |path: &str, methods: &[Method]| (PathPattern::new(path), allow_header(methods.to_vec()).unwrap());
    let methods = AllowedMethods(vec![
        path_methods("/orders/{id}", &[Method::GET, Method::DELETE]),
        path_methods("/orders/export", &[Method::GET]),
        path_methods("/orders", &[Method::POST]),
    ]);
    for (path, allowed) in [
        ("/orders/7", Some("DELETE, GET, HEAD, OPTIONS")),
        ("/orders/export/", Some("GET, HEAD, OPTIONS")),
        ("//orders", Some("OPTIONS, POST")),
        ("/orders/7/8", None),
        ("/", None),
    ] {
        assert_eq!(methods.for_path(path).map(|allow| allow.to_str().unwrap()), allowed, "{path}");
    }
}

#[test]
fn methods_of_one_path_in_several_apis_are_joined() {
    let of = |path: &str, method: Method| (PathPattern::new(path), vec![method]);
    let merged = PathPattern::merge(
        [
            of("/orders", Method::POST),
            of("/quotes", Method::POST),
            of("/orders/", Method::GET),
            of("/orders", Method::GET),
        ]
        .into_iter(),
    );
    let methods: Vec<_> = merged.into_iter().map(|(_, methods)| allow_header(methods).unwrap()).collect();
    assert_eq!(methods, ["GET, HEAD, OPTIONS, POST", "OPTIONS, POST"]);
}

#[test]
fn parameter_of_the_most_specific_pattern_is_found_by_position() {
    let get_only = ["/users/{id}", "/users/{id}/keys/{key_id}", "/users/lookup/{prefix}"];
    let methods = AllowedMethods::new(Vec::new(), &get_only);
    for (path, position, expected) in [
        ("/users/7", 0, Some(("id", "7"))),
        ("/users/7/keys/8/", 0, Some(("id", "7"))),
        ("/users/7/keys/%ff", 1, Some(("key_id", "%ff"))),
        ("/users/7/keys/8", 2, None),
        ("/users/lookup/7", 0, Some(("prefix", "7"))),
        ("/users", 0, None),
    ] {
        let parameter = methods.parameter(path, position).map(|PathParameter { name, segment }| (name, segment));
        assert_eq!(parameter, expected, "{path}");
    }
}

#[test]
fn nearest_path_corrects_words_and_keeps_parameters() {
    let paths = ["/", "/docs", "/api/v1/orders", "/api/v1/orders/{id}", "/api/v1/orders/export", "/api/v1/quotes/{id}"];
    let methods = AllowedMethods::new(Vec::new(), &paths);
    for (path, expected) in [
        ("/api/v1/order", Some("/api/v1/orders")),
        ("/api/v1/order/", Some("/api/v1/orders")),
        ("/api/v1/Orders/7", Some("/api/v1/orders/7")),
        ("/api/v1/order/export", Some("/api/v1/orders/export")),
        ("/api/v1/quote/7", Some("/api/v1/quotes/7")),
        ("/orders", Some("/api/v1/orders")),
        ("/v1/orders/7", Some("/api/v1/orders/7")),
        ("/api/v1/coins", None),
        ("/7", None),
        ("/", None),
        ("/api/v1/orders/7/8", None),
    ] {
        assert_eq!(methods.nearest_path(path).as_deref(), expected, "{path}");
    }
}
