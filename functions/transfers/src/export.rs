//! Exports customers, license keys, activations and events as lines of JSON, without secrets. An import accepts the lines of
//! all but events.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::State,
    http::{HeaderValue, header::CONTENT_TYPE, header::LINK},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared::{
    app::Settings,
    auth::Caller,
    domain::{Catalog, Customer, CustomerId, DescribedActivation, License, Scope, State as LicenseState, Timestamp},
    http::{
        Code, InputError, ListQuery, Problem, RequestContext,
        extractors::{NDJSON, optional_time},
        resources::ActivationResource,
    },
    store::{
        StoreError, Table,
        count::MAX_CONCURRENCY,
        customers::CustomerFilter,
        licenses::{LicenseFilter, LicenseOrder},
        pagination::{Page, PageRequest},
    },
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    export_error::ExportError,
    export_events::export_events,
    lines::{ActivationLine, CustomerLine, ImportedStatus, LicenseLine, LineType},
};

/// The maximum number of lines of a page.
const MAX_LINES: usize = 1000;
/// The number of lines that are read at a time.
const CHUNK: usize = 100;
/// The maximum size of a line, in bytes: metadata of 8 KiB and short texts.
const MAX_LINE_BYTES: usize = 12 * 1024;
/// The maximum size of a page, in bytes. Encoded in base64, it fits into a response of Lambda.
const MAX_BYTES: usize = 4_000_000;

/// The type of the lines of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportType {
    /// Customers, by name.
    Customers,
    /// License keys, the oldest first.
    Licenses,
    /// Machines that hold a seat, by license key.
    Activations,
    /// Events, the oldest first, without client addresses and names of machines.
    Events,
}

impl ExportType {
    /// Returns the scope that the list of the same resources requires.
    fn scope(self) -> Scope {
        match self {
            Self::Customers => Scope::CustomersRead,
            Self::Licenses | Self::Activations | Self::Events => Scope::LicensesRead,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Licenses => "licenses",
            Self::Activations => "activations",
            Self::Events => "events",
        }
    }
}

/// The query of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportFilter {
    /// The type of the lines.
    #[param(inline)]
    r#type: ExportType,
    /// Export only events at this time or later.
    #[serde(default, deserialize_with = "optional_time")]
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Export only events at this time or earlier. Omitted: up to the time of the request for the first page.
    #[serde(default, deserialize_with = "optional_time")]
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl ExportFilter {
    /// Rejects a range of time for lines that have none.
    fn validate(&self) -> Result<(), Problem> {
        let given = [("since", self.since), ("until", self.until)].into_iter().find(|(_, time)| time.is_some());
        match given {
            Some((name, _)) if self.r#type != ExportType::Events => {
                Err(InputError::parameter(name, Code::InvalidValue, "is only allowed with type=events").into())
            }
            _ => Ok(()),
        }
    }

    /// Returns the query string without a cursor.
    fn query_string(&self, limit: usize) -> String {
        let times = [("since", self.since), ("until", self.until)];
        let times = times.into_iter().filter_map(|(name, time)| Some(format!("&{name}={}", time?)));
        let limit = (limit != MAX_LINES).then(|| format!("&limit={limit}"));
        let optional: String = times.chain(limit).collect();
        format!("type={}{optional}", self.r#type.as_str())
    }
}

/// The pagination parameters in the OpenAPI document. [`ListQuery`] reads them.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only documents the parameters")]
pub struct ExportPaginationParams {
    /// The maximum number of lines to return.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<u32>,
    /// The cursor of the next page, from the `Link` header of the previous one. The type must be the same for all pages.
    cursor: Option<String>,
}

/// Lines of JSON, all of one type.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only documents the body")]
pub struct ExportLines(String);

/// Exports resources of one type.
#[utoipa::path(
    get,
    path = "/api/v1.0/exports",
    operation_id = "export_lines",
    tag = "transfers",
    summary = "Export customers, license keys, activations or events",
    description = "Returns lines of JSON (NDJSON) without secrets, at most 1,000 and 4 MB. The `Link` header has the URL of the next page \
        with `rel=\"next\"`; a page can be shorter than `limit`, or empty, and still have one. `POST /imports` accepts the lines, apart \
        from events. The scope is that of the list of the same type: `customers:read` for customers, otherwise `licenses:read`. \
        Each line of an event has a `chain`: the SHA-256 hash of the `chain` before it (64 zeros in the first line), a line feed, and the \
        line without its `chain`. Who has the last `chain` can verify that the file is complete and unchanged.",
    params(ExportFilter, ExportPaginationParams),
    responses((
        status = 200,
        description = "A page of lines",
        body = ExportLines,
        content_type = "application/x-ndjson",
        headers(("Link" = String)),
    )),
    security(("api_key" = ["customers:read", "licenses:read"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    caller: Caller,
    ctx: RequestContext,
    query: Result<ListQuery<ExportFilter, MAX_LINES, MAX_LINES>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    caller.require(filter.r#type.scope())?;
    filter.validate()?;
    let exporter = Exporter { table, settings, now: ctx.now };
    let page = exporter.page(&filter, &paging).await?;
    let mut response = ([(CONTENT_TYPE, HeaderValue::from_static(NDJSON))], page.text).into_response();
    if let Some(cursor) = page.next {
        let url = format!("/api/v1.0/exports?{}&cursor={cursor}", filter.query_string(paging.limit));
        let link = HeaderValue::try_from(format!("<{url}>; rel=\"next\""));
        response.headers_mut().insert(LINK, link.map_err(|error| Problem::internal(error.to_string()))?);
    }
    Ok(response)
}

/// A page of lines.
struct ExportPage {
    text: String,
    next: Option<String>,
}

/// A line of an export, and what it tells besides. An import ignores that.
#[derive(Serialize)]
struct ExportedLine<T> {
    #[serde(flatten)]
    line: T,
    exported: Value,
}

struct Exporter {
    table: Table,
    settings: Arc<Settings>,
    now: Timestamp,
}

impl Exporter {
    /// Reads a page in chunks, until the next chunk could exceed the maximum size.
    async fn page(&self, filter: &ExportFilter, paging: &PageRequest) -> Result<ExportPage, ExportError> {
        let mut page = ExportPage { text: String::new(), next: paging.cursor.clone() };
        let mut remaining = paging.limit;
        loop {
            let limit = remaining.min(CHUNK);
            let request = PageRequest { limit, cursor: page.next, key: paging.key.clone() };
            let chunk = self.chunk(filter, &request).await?;
            for line in &chunk.items {
                page.text.push_str(line);
                page.text.push('\n');
            }
            remaining -= chunk.items.len();
            page.next = chunk.next;
            let is_full = remaining == 0 || page.text.len() + CHUNK * MAX_LINE_BYTES > MAX_BYTES;
            // A list that returned less than a chunk has read as much as it reads for one page.
            if page.next.is_none() || is_full || chunk.items.len() < limit {
                return Ok(page);
            }
        }
    }

    async fn chunk(&self, filter: &ExportFilter, paging: &PageRequest) -> Result<Page<String>, ExportError> {
        match filter.r#type {
            ExportType::Customers => self.customers(paging).await,
            ExportType::Licenses => self.licenses(paging).await,
            ExportType::Activations => self.activations(paging).await,
            ExportType::Events => export_events(&self.table, (filter.since, filter.until), self.now, paging).await,
        }
    }

    async fn customers(&self, paging: &PageRequest) -> Result<Page<String>, ExportError> {
        let page = self.table.customers(&CustomerFilter::default(), paging).await?;
        let lines = page.items.into_iter().map(|customer| async move {
            let metadata = self.table.customer_metadata(customer.id).await?;
            let exported = json!({
                "id": customer.id, "created_at": customer.created_at, "updated_at": customer.updated_at,
            });
            let line = CustomerLine {
                r#type: LineType::Customer,
                external_id: customer_external_id(&customer),
                name: customer.name.unwrap_or_default(),
                email: customer.email.unwrap_or_default(),
                company: customer.company,
                metadata: Some(metadata),
                exported: None,
            };
            Ok::<_, ExportError>(serde_json::to_string(&ExportedLine { line, exported })?)
        });
        let items = stream::iter(lines).buffered(MAX_CONCURRENCY).try_collect().await?;
        Ok(Page { items, next: page.next })
    }

    async fn licenses(&self, paging: &PageRequest) -> Result<Page<String>, ExportError> {
        let filter = LicenseFilter { order: LicenseOrder::OldestFirst, ..LicenseFilter::default() };
        let page = self.table.licenses(&filter, self.now, paging).await?;
        let catalog = self.table.catalog().await?.catalog;
        let customers = self.external_ids(page.items.iter().filter_map(|license| license.customer_id)).await?;
        let (catalog, customers) = (&catalog, &customers);
        let lines = page.items.into_iter().map(|license| async move {
            let metadata = Some(self.table.license_metadata(license.id).await?);
            let license = License { metadata, ..license };
            Ok::<_, ExportError>(serde_json::to_string(&license_line(license, catalog, customers))?)
        });
        let items = stream::iter(lines).buffered(MAX_CONCURRENCY).try_collect().await?;
        Ok(Page { items, next: page.next })
    }

    /// Returns the external ids of customers by their ids.
    async fn external_ids(
        &self,
        ids: impl Iterator<Item = CustomerId>,
    ) -> Result<BTreeMap<CustomerId, String>, StoreError> {
        let ids: BTreeSet<CustomerId> = ids.collect();
        let read = ids.into_iter().map(|id| async move {
            let customer = self.table.customer(id).await?;
            // An erased customer is not exported.
            let customer = customer.filter(|read| read.customer.erased_at.is_none());
            Ok::<_, StoreError>(customer.map(|read| (id, customer_external_id(&read.customer))))
        });
        let found: Vec<_> = stream::iter(read).buffered(MAX_CONCURRENCY).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn activations(&self, paging: &PageRequest) -> Result<Page<String>, ExportError> {
        let page = self.table.all_activations(self.now, paging).await?;
        let line = |(license, found): (License, DescribedActivation)| {
            let margin = self.settings.clock_margin;
            let resource = ActivationResource::new(&found, &license, margin, self.now);
            let exported = json!({
                "id": resource.id, "license_id": license.id, "status": resource.status,
                "activated_at": resource.activated_at, "last_heartbeat_at": resource.last_heartbeat_at,
            });
            let line = ActivationLine {
                r#type: LineType::Activation,
                license_external_id: license_external_id(&license),
                machine_id: resource.machine_id,
                machine_name: resource.machine_name,
                exported: None,
            };
            serde_json::to_string(&ExportedLine { line, exported })
        };
        Ok(Page { items: page.items.into_iter().map(line).collect::<Result<_, _>>()?, next: page.next })
    }
}

/// Returns the external id of a customer, or else its id, so that license keys can refer to it.
fn customer_external_id(customer: &Customer) -> String {
    customer.external_id.clone().unwrap_or_else(|| customer.id.to_string())
}

/// Returns the external id of a license key, or else its id, so that activations can refer to it.
fn license_external_id(license: &License) -> String {
    license.external_id.clone().unwrap_or_else(|| license.id.to_string())
}

fn license_line(
    license: License,
    catalog: &Catalog,
    customers: &BTreeMap<CustomerId, String>,
) -> ExportedLine<LicenseLine> {
    let mut exported = Map::from_iter([
        ("id".to_owned(), json!(license.id)),
        ("customer_id".to_owned(), json!(license.customer_id)),
        ("product_id".to_owned(), json!(license.product_id)),
        ("tier_id".to_owned(), json!(license.tier_id)),
        ("status".to_owned(), json!(license.state.as_str())),
        ("key_hint".to_owned(), json!(license.key_hint)),
        ("generation".to_owned(), json!(license.generation)),
    ]);
    let status = match &license.state {
        LicenseState::Active => ImportedStatus::Active,
        LicenseState::Suspended => ImportedStatus::Suspended,
        LicenseState::Superseded { by } => {
            exported.insert("superseded_by".to_owned(), json!(by));
            ImportedStatus::Revoked
        }
        LicenseState::Revoked { at, reason, .. } => {
            exported.insert("revoked_at".to_owned(), json!(at));
            exported.insert("revocation_reason".to_owned(), json!(reason));
            ImportedStatus::Revoked
        }
    };
    let codes = catalog.product_and_tier(&license).map(|(product, tier)| (product.code.clone(), tier.code.clone()));
    let (product_code, tier_code) = codes.unzip();
    let line = LicenseLine {
        r#type: LineType::License,
        external_id: license_external_id(&license),
        customer_external_id: license.customer_id.and_then(|id| customers.get(&id).cloned()),
        tier_id: None,
        product_code,
        tier_code,
        license_key: None,
        license_key_sha256: None,
        name: license.name,
        issued_at: Some(license.issued_at),
        expires_at: Some(license.expires_at),
        max_users: Some(license.max_users),
        max_tenants: Some(license.max_tenants),
        tag: license.tag,
        status,
        metadata: license.metadata,
        exported: None,
    };
    ExportedLine { line, exported: exported.into() }
}
