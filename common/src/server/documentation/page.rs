//! The page that displays the OpenAPI document of a service.

use poem_openapi::{OpenApi, OpenApiService};

/// The beginning of the page that poem-openapi generates.
const FRAMEWORK_HEAD: &str = "<html charset=\"UTF-8\">\n<head>";
/// The title of the page that poem-openapi generates.
const FRAMEWORK_TITLE: &str = "<title>Swagger UI</title>";

/// The page that poem-openapi generates, with `document` instead of the generated document.
pub(in crate::server) fn render_page(
    documentation: &OpenApiService<impl OpenApi, ()>,
    service: &str,
    document: &str,
) -> String {
    let head = "<!doctype html>\n<html lang=\"en\">\n<head>\n    \
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">";
    documentation
        .swagger_ui_html()
        .trim_start()
        .replacen(&documentation.spec(), document, 1)
        .replacen(FRAMEWORK_HEAD, head, 1)
        .replacen(FRAMEWORK_TITLE, &format!("<title>{service} · Buydesk API</title>"), 1)
}

#[cfg(test)]
mod tests;
