use super::*;

struct NoOperations;

#[OpenApi]
impl NoOperations {}

#[test]
fn page_has_title_viewport_and_finished_document() {
    let documentation = OpenApiService::new(NoOperations, "rates", "1.0.0");
    let page = render_page(&documentation, "rates", "{\"finished\":true}");
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"), "{page:.200}");
    for expected in [
        "<title>rates · Buydesk API</title>",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
        "let spec = {\"finished\":true};",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    for replaced in ["<title>Swagger UI", &documentation.spec()] {
        assert!(!page.contains(replaced), "{replaced}");
    }
}
