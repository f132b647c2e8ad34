//! A customer's own license keys, and becoming a customer.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use registration::own_licenses::{OwnLicense, own_licenses};
use serde::Deserialize;
use shared::{
    domain::Code,
    http::{ListQuery, NoFilter, Problem},
};

use super::customer;
use crate::{
    enter::Visit,
    form::Sent,
    ui::{
        address,
        components::{Column, empty, pages, status, table},
        inputs::{Form, Input},
        shell::{Page, Place},
        show,
    },
};

pub(super) const HERE: &str = "/dashboard/licenses";

/// The list.
pub(super) async fn list(visit: Visit, asked: Result<ListQuery<NoFilter>, Problem>) -> Result<Response, Problem> {
    let paging = asked?.paging;
    if customer(&visit).await?.is_none() {
        return Ok(Redirect::to("/dashboard/welcome").into_response());
    }
    let page = own_licenses(&visit.app, &visit.session.user(), &paging, &visit.ctx).await?;
    let next = page.next_cursor.as_deref().map(|cursor| address(HERE, &[("cursor", cursor)]));
    let content = html! {
        @if page.items.is_empty() {
            (empty("No licenses yet", "What you claim or buy stands here, with the machines that use it.",
                &html! { a.button.primary href="/dashboard/catalog" { "Look at the catalog" } }))
        } @else {
            (rows(&visit, &page.items).await?)
            (pages(paging.cursor.is_some().then_some(HERE), next.as_deref()))
        }
    };
    Ok(Page::new(Place::Licenses, "Your licenses", content).render(&visit))
}

async fn rows(visit: &Visit, licenses: &[OwnLicense]) -> Result<Markup, Problem> {
    let catalog = visit.app.catalog.read(&visit.app.table, visit.ctx.now).await?;
    let columns = [
        Column::new("Product"),
        Column::new("Status"),
        Column::new("License key"),
        Column::new("Machines"),
        Column::new("Last sign of life"),
        Column::new("Ends"),
    ];
    let row = |own: &OwnLicense| {
        let license = &own.license;
        let tier = catalog.tiers.get(&license.tier_id).map_or("–", |tier| tier.name.as_str());
        let product = catalog.products.get(&license.product_id).map_or("–", |product| product.name.as_str());
        let machines = own.activations.len();
        let seen = own.activations.iter().filter_map(|machine| machine.last_heartbeat_at).max();
        vec![
            html! { a href={ (HERE) "/" (license.id) } { (product) } span.sub { (tier) } },
            status(license.status),
            html! { code { (license.key_hint) } },
            html! {
                (machines) @if own.has_more_activations { " and more" }
                span.sub { (license.max_users.map_or_else(|| "no limit".to_owned(), |most| format!("of {most}"))) }
            },
            seen.map_or_else(|| html! { "–" }, |at| show::ago(at, visit.ctx.now)),
            license.expires_at.map_or_else(|| html! { "Never" }, show::day),
        ]
    };
    Ok(table("Your licenses", &columns, &licenses.iter().map(row).collect::<Vec<_>>()))
}

/// Where a person goes on to when they are a customer.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// A tier that they were about to claim.
    tier: Option<String>,
}

fn form(visit: &Visit, tier: &str) -> Form<'static> {
    let inputs = vec![
        Input::text("name", "Name", 200)
            .required()
            .maybe(visit.session.name.as_deref())
            .autocomplete("name")
            .hint("A person or an organisation: who the licenses are for."),
        Input::text("company", "Company", 200).autocomplete("organization"),
        Input::hidden("tier", tier),
    ];
    Form::new("/dashboard/welcome", inputs, "Go on", "/dashboard/catalog")
}

fn page(visit: &Visit, form: &Markup) -> Page<'static> {
    let content = html! {
        div.stack {
            p.prose {
                "One question before your first license: whom is it for? "
                @if let Some(email) = &visit.session.email { "Your e-mail address is " strong { (email) } ", as you signed in with it." }
            }
            (form)
        }
    };
    Page::new(Place::Licenses, "Welcome", content)
}

/// Asks who somebody is, before they are a customer.
pub(super) async fn ask_register(
    visit: Visit,
    asked: Result<shared::http::ListQuery<Asked>, Problem>,
) -> Result<Response, Problem> {
    let tier = asked?.filter.tier.unwrap_or_default();
    if customer(&visit).await?.is_some() {
        return Ok(Redirect::to(&after(&tier)).into_response());
    }
    Ok(page(&visit, &form(&visit, &tier).render(&visit)).render(&visit))
}

/// Makes them a customer.
pub(super) async fn register(visit: Visit, sent: Sent) -> Response {
    let tier = sent.get("tier").to_owned();
    let form = form(&visit, &tier);
    let fields: Vec<Input> = form.inputs.iter().filter(|input| input.name != "tier").cloned().collect();
    match visit.post("/api/v1.0/register", &sent, &sent.json(&fields)).await {
        Ok(_) => Redirect::to(&after(&tier)).into_response(),
        Err(problem) => {
            let told = explained(problem);
            page(&visit, &form.refused(&sent, &told).render(&visit)).refused(&visit, &told)
        }
    }
}

/// A path of ours, whatever the form says: a tier's id has letters and digits alone.
fn after(tier: &str) -> String {
    match tier.parse::<shared::domain::TierId>() {
        Ok(id) => format!("/dashboard/catalog/{id}/claim"),
        Err(_) => HERE.to_owned(),
    }
}

/// What is wrong with somebody's e-mail address, in words for them.
fn explained(problem: Problem) -> Problem {
    let about_email = problem.errors.iter().any(|error| error.parameter.as_deref() == Some("Authorization"));
    match problem.code {
        Code::EmailTaken => Problem::new(
            Code::EmailTaken,
            "your e-mail address belongs to a customer who signs in otherwise: ask the vendor to set it right",
        ),
        _ if about_email => Problem::new(
            problem.code,
            "where you signed in, your e-mail address is missing or nobody has checked it: confirm it there, sign out and sign in again",
        ),
        _ => problem,
    }
}
