//! Offline activation of a machine that never reaches the API: the form that takes the request that the app shows, and the page
//! with the license file. Operators and customers use the same pages.

use axum::{body::Bytes, response::Response};
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde_json::{Value, json};
use shared::{
    domain::{License, LicenseFile, MachineHash, OfflineRequest, Product, SeatUnit, Status, Tier},
    http::{Code, InputError, Problem},
    store::{Table, catalog::CatalogCache},
};

use crate::{
    api::Api,
    form_data::FormData,
    links,
    photo::{PhotoError, read_qr_code},
    ui::{
        components::{description_list, link_button},
        form_page::FormPage,
        format,
        forms::Form,
        icons,
        inputs::Input,
        layout::{NavSection, PageLayout},
        machines::Audience,
    },
    viewer::Viewer,
};

/// The maximum size of an uploaded file, in bytes.
const MAX_FILE_BYTES: usize = 4_000_000;
/// The maximum length of the pasted text: a request with the white space that mail programs add.
const MAX_TEXT: u32 = 8192;

/// The pages of one license.
#[derive(Debug)]
pub(crate) struct OfflineActivation {
    audience: Audience,
    license: License,
    product: Product,
    tier: Tier,
    now: Timestamp,
}

/// Returns whether machines can be activated offline with a license of this tier and status.
pub(crate) fn is_offered(tier: &Tier, status: Status) -> bool {
    tier.max_borrow_seconds > 0 && tier.seat_unit == SeatUnit::Machine && status == Status::Active
}

/// The link to the form, for the page of the license.
pub(crate) fn button(license_path: &str) -> Markup {
    link_button(&path(license_path), "Activate an offline machine")
}

fn path(license_path: &str) -> String {
    format!("{license_path}/offline-activation")
}

impl OfflineActivation {
    /// Reads what the pages show. There are none if the license can't be used offline.
    pub(crate) async fn load(
        table: &Table,
        catalog: &CatalogCache,
        license: License,
        audience: Audience,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let catalog = catalog.read(table, now).await?;
        let (product, tier) = catalog.product_and_tier(&license).ok_or_else(Problem::not_found)?;
        if !is_offered(tier, license.status(now)) {
            return Err(Problem::not_found());
        }
        Ok(Self { audience, product: product.clone(), tier: tier.clone(), license, now })
    }

    /// Shows the form.
    pub(crate) fn render_form(&self, viewer: &Viewer) -> Response {
        self.form_page().render(viewer)
    }

    /// Activates the machine through the API, and shows the license file.
    pub(crate) async fn activate(
        &self,
        viewer: &Viewer,
        table: &Table,
        api: &Api,
        data: &FormData,
    ) -> Result<Response, Problem> {
        let activated = async {
            let request = read_request(data).await?;
            self.check_product(&request)?;
            let valid_until = &self.form_page().request_body(data)["valid_until"];
            let body = request_body(&request, valid_until)?;
            let path = format!("/api/v1.0/license-keys/{}/offline-activations", self.license.id);
            let file: LicenseFile = api.post(&path, data, &body).await?;
            Ok::<_, Problem>((request, file))
        };
        match activated.await {
            Ok((request, file)) => {
                // A file is never valid for less time than one before it.
                let machine = MachineHash::from_machine_id(&request.machine_id);
                let activation = table.activation(self.license.id, machine).await?.ok_or_else(Problem::not_found)?;
                let valid_until = activation.borrow.map_or(activation.lease_expires_at, |borrow| borrow.until);
                self.render_file(viewer, &request, &file, valid_until)
            }
            Err(problem) => Ok(self.form_page().render_error(viewer, data, &problem)),
        }
    }

    fn form_page(&self) -> FormPage {
        let inputs = vec![
            Input::multiline("request", "Request", MAX_TEXT)
                .hint("The text that the app shows on the machine. It starts with signet-request/1:"),
            Input::file("file", "Photo or file of the request", "image/png,image/jpeg,text/plain,.txt")
                .hint("Instead of the text: a photo of the QR code (PNG or JPEG, up to 4 MB) or a text file."),
            Input::date_time("valid_until", "Valid until")
                .required()
                .value(self.longest().strftime("%Y-%m-%dT%H:%M").to_string())
                .hint("Until then, the machine needs no network, and its seat can't be used elsewhere."),
        ];
        let (section, list, license_path) = self.place();
        let form = Form::new(path(&license_path), inputs, "Create license file", &license_path).multipart();
        FormPage::new(section, "Activate an offline machine", form)
            .breadcrumb(list.0, list.1)
            .breadcrumb(license_path, &self.license.key_hint)
            .narrow_intro(html! {
                p { "For a machine that never reaches the license server. It takes a seat until the date that you choose." }
            })
    }

    /// Returns where the pages are: the section of the navigation, the list above the license with its name, and the license.
    fn place(&self) -> (NavSection, (&'static str, &'static str), String) {
        let id = self.license.id;
        match self.audience {
            Audience::Operator => (NavSection::LicenseKeys, (links::LICENSE_KEYS, "Licenses"), links::license_key(id)),
            Audience::Customer => {
                (NavSection::Licenses, (links::OWN_LICENSES, "Your licenses"), links::own_license(id))
            }
        }
    }

    /// Returns the latest time until which a license file can be valid.
    fn longest(&self) -> Timestamp {
        let borrowed = self.now.checked_add(SignedDuration::from_secs(self.tier.max_borrow_seconds.into()));
        let borrowed = borrowed.unwrap_or(Timestamp::MAX);
        self.license.expires_at.map_or(borrowed, |end| end.min(borrowed))
    }

    /// Rejects the request of another product's app, which would not accept the license file.
    fn check_product(&self, request: &OfflineRequest) -> Result<(), Problem> {
        if request.product == self.product.code {
            return Ok(());
        }
        let detail = format!("This request is for {}, and this license is for {}.", request.product, self.product.code);
        Err(input_problem("request", detail))
    }

    fn render_file(
        &self,
        viewer: &Viewer,
        request: &OfflineRequest,
        file: &LicenseFile,
        valid_until: Timestamp,
    ) -> Result<Response, Problem> {
        let text = serde_json::to_string_pretty(file).map_err(|error| Problem::internal(error.to_string()))?;
        let seat = match self.audience {
            Audience::Operator => {
                "Taken until then. Only an operator can free it earlier; the file still works until then."
            }
            Audience::Customer => "Taken until then. It can't be freed earlier.",
        };
        let (section, list, license_path) = self.place();
        let content = html! {
            div.stack {
                p.prose { "Copy the file to the machine, and import it in the app. It works on this machine only." }
                div.actions {
                    a.button.primary download=(file.file_name()) href={ "data:application/json;base64," (BASE64.encode(text.as_bytes())) } {
                        (icons::download()) "Download license file"
                    }
                    (link_button(&license_path, "Back to license"))
                }
                (description_list(&[
                    ("Machine", html! {
                        strong { (request.machine_name.as_deref().unwrap_or(&request.machine_id)) }
                        @if request.machine_name.is_some() { span.subtext { (request.machine_id) } }
                    }),
                    ("Valid until", format::exact_date_time(valid_until)),
                    ("Seat", html! { (seat) }),
                    ("File", html! { code { (file.file_name()) } }),
                ]))
            }
        };
        Ok(PageLayout::new(section, "License file", content)
            .breadcrumb(list.0, list.1)
            .breadcrumb(license_path, &self.license.key_hint)
            .render(viewer))
    }
}

fn request_body(request: &OfflineRequest, valid_until: &Value) -> Result<Value, Problem> {
    let public_key = serde_json::to_value(&request.public_key).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(json!({
        "machine_id": request.machine_id,
        "machine_name": request.machine_name,
        "valid_until": valid_until,
        "public_key": public_key,
    }))
}

/// Reads the request from the file or, without one, from the text.
async fn read_request(data: &FormData) -> Result<OfflineRequest, Problem> {
    let (input, text) = match data.file("file") {
        Some(file) => ("file", read_file(file.clone()).await.map_err(|detail| input_problem("file", detail))?),
        None => ("request", data.get("request").to_owned()),
    };
    if text.is_empty() {
        return Err(input_problem("request", "Paste the request, or choose a photo or file of it."));
    }
    OfflineRequest::parse(&text).map_err(|error| input_problem(input, error.to_string()))
}

/// Returns the text in a text file, or in the QR code on a photo.
async fn read_file(file: Bytes) -> Result<String, String> {
    if file.len() > MAX_FILE_BYTES {
        return Err("The file is larger than 4 MB.".to_owned());
    }
    if let Ok(text) = std::str::from_utf8(&file) {
        return Ok(text.to_owned());
    }
    // Decoding takes long enough to delay other requests. A panic of a decoder ends this task only.
    let read = tokio::task::spawn_blocking(move || read_qr_code(&file)).await;
    read.unwrap_or(Err(PhotoError::Unreadable)).map_err(|error| error.to_string())
}

fn input_problem(input: &str, detail: impl Into<String>) -> Problem {
    InputError::at(format!("/{input}"), Code::InvalidValue, detail).into()
}
