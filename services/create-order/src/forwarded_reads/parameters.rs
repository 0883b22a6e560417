//! Parameters of forwarded requests, for the OpenAPI document.

use std::marker::PhantomData;

use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaParamIn, MetaSchemaRef, Registry},
    types::ParseFromParameter,
};

/// A query parameter that the OpenAPI document describes as a `T`. create-order neither parses nor requires the
/// parameter. The service that answers the request checks all parameters, and its error names every invalid parameter.
pub struct ForwardedQuery<T>(PhantomData<fn() -> T>);

impl<'a, T: ParseFromParameter> ApiExtractor<'a> for ForwardedQuery<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = T::IS_REQUIRED;

    type ParamType = T;
    type ParamRawType = T::RawValueType;

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(T::schema_ref())
    }

    async fn from_request(_: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<T>) -> Result<Self> {
        Ok(Self(PhantomData))
    }
}
