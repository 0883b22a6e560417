//! The schemas of a body and of its parts.

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};

use super::json_tree::Step;

/// Maximum depth of nested objects in a placeholder. The types of bodies are not nested as deeply.
const MAX_DEPTH: usize = 16;

/// The schema of a type, and the schemas to which it refers.
pub(super) struct Schemas {
    registry: Registry,
    root: MetaSchemaRef,
}

impl Schemas {
    pub(super) fn of<T: Type>() -> Self {
        let mut registry = Registry::new();
        T::register(&mut registry);
        Self { registry, root: T::schema_ref() }
    }

    /// The schema of the value at a path. `None` if the type has no such value.
    pub(super) fn at(&self, path: &[Step]) -> Option<&MetaSchema> {
        let mut schema = self.resolve(&self.root)?;
        for step in path {
            let part = match step {
                Step::Name(name) => {
                    let property = schema.properties.iter().find(|(known, _)| known == name);
                    property.map(|(_, property)| property).or(schema.additional_properties.as_deref())
                }
                Step::Index(_) => schema.items.as_deref(),
            };
            schema = self.resolve(part?)?;
        }
        Some(schema)
    }

    fn resolve<'a>(&'a self, schema: &'a MetaSchemaRef) -> Option<&'a MetaSchema> {
        match schema {
            MetaSchemaRef::Reference(name) => self.registry.schemas.get(name),
            // The framework writes a reference with a description as the only element of `allOf`.
            MetaSchemaRef::Inline(schema) => match schema.all_of.first() {
                Some(first) => self.resolve(first),
                None => Some(schema),
            },
        }
    }

    /// The JSON of a value that conforms to a schema. The value can violate rules of the type that the schema does not
    /// state.
    pub(super) fn placeholder(&self, schema: &MetaSchema) -> String {
        self.placeholder_at(schema, 0)
    }

    fn placeholder_at(&self, schema: &MetaSchema, depth: usize) -> String {
        if let Some(value) = schema.enum_items.first().or(schema.example.as_ref()) {
            return value.to_string();
        }
        match schema.ty {
            "string" => "\"\"".to_owned(),
            "integer" | "number" => format!("{:.0}", schema.minimum.unwrap_or(0.0)),
            "boolean" => "false".to_owned(),
            "array" => "[]".to_owned(),
            "object" if depth < MAX_DEPTH => {
                let required = schema.properties.iter().filter(|(name, _)| schema.required.contains(name));
                let pairs = required.filter_map(|(name, property)| {
                    let value = self.placeholder_at(self.resolve(property)?, depth + 1);
                    Some(format!("\"{name}\":{value}"))
                });
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
            }
            _ => "null".to_owned(),
        }
    }
}
