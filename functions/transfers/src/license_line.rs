//! Imports a license key.

use data_encoding::HEXLOWER_PERMISSIVE;
use jiff::Timestamp;
use licenses::labels::check_labels;
use shared::{
    domain::{
        CustomerId, EventData, ForeignKeyString, IdGenerator, KeyString, License, LicenseId, Product, Secret, State,
        Subject, Tier, ValidationErrors, catalog::check_seats, event::payload::LicenseIssued, license::check_tag,
    },
    http::{Code, Metric},
    store::{
        Backoff,
        imports::{ImportOutcome, ImportedLicense, LineHash},
        license_writes::NewCurrent,
    },
};

use crate::{
    importer::Importer,
    lines::{ImportedStatus, LicenseLine, LineError, line_hash},
    outcome::{LineOutcome, StopError, external_id_taken, known_outcome, used_outcome},
};

/// The name of the resource in errors.
const KIND: &str = "license key";

/// The key string of an imported license key.
struct ImportedKey {
    sha256: [u8; 32],
    hint: String,
    /// The key string; `None` if only its hash is known.
    text: Option<Secret>,
}

impl LicenseLine {
    /// Checks the fields.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), ValidationErrors> {
        let mut errors = ValidationErrors::default();
        let has_codes = self.product_code.is_some() && self.tier_code.is_some();
        let has_a_code = self.product_code.is_some() || self.tier_code.is_some();
        let has_tier = if self.tier_id.is_some() { !has_a_code } else { has_codes };
        errors.check(has_tier, "/tier_id", "either tier_id, or product_code and tier_code are required");
        let has_two = self.license_key.is_some() && self.license_key_sha256.is_some();
        errors.check(!has_two, "/license_key_sha256", "must be omitted if there is a license_key");
        let is_key = self.license_key.as_ref().is_none_or(|key| ForeignKeyString::parse(key.expose()).is_ok());
        errors.check(is_key, "/license_key", "must be 8 to 255 printable ASCII characters");
        let is_hash = self.license_key_sha256.as_deref().is_none_or(|text| parse_hash(text).is_some());
        errors.check(is_hash, "/license_key_sha256", "must be 64 hexadecimal digits");
        let is_past = self.issued_at.is_none_or(|at| at <= now);
        errors.check(is_past, "/issued_at", "must not be in the future");
        check_tag(&mut errors, self.tag.as_deref());
        check_seats(&mut errors, self.max_users.flatten());
        let detail = "must be 1 or more, or null for no limit";
        errors.check(self.max_tenants.flatten() != Some(0), "/max_tenants", detail);
        let (name, external_id) = (self.name.as_deref(), Some(&*self.external_id));
        check_labels(&mut errors, name, external_id, self.metadata.as_ref());
        errors.into_result()
    }

    /// Returns the hash by which the table would refer to the key string; `None` if there is none.
    pub(crate) fn key_sha256(&self) -> Option<[u8; 32]> {
        self.key().map(|key| key.sha256)
    }

    /// Returns the key string; `None` if one is to be generated.
    fn key(&self) -> Option<ImportedKey> {
        if let Some(hash) = self.license_key_sha256.as_deref().and_then(parse_hash) {
            let hint = format!("sha256:{}…", &HEXLOWER_PERMISSIVE.encode(&hash)[..8]);
            return Some(ImportedKey { sha256: hash, hint, text: None });
        }
        let text = self.license_key.as_ref()?.expose();
        if let Ok(key) = KeyString::parse(text) {
            let hint = own_hint(&key, text.trim());
            return Some(ImportedKey { sha256: key.sha256(), hint, text: Some(Secret::new(text.trim().to_owned())) });
        }
        let key = ForeignKeyString::parse(text).ok()?;
        let text = Secret::new(key.expose().to_owned());
        Some(ImportedKey { sha256: key.sha256(), hint: key.hint(), text: Some(text) })
    }

    /// Returns the values that make the line wait for an earlier line with one of them.
    pub(crate) fn shared_values(&self) -> Vec<String> {
        let key = self.key_sha256().map(|hash| format!("key {}", HEXLOWER_PERMISSIVE.encode(&hash)));
        let customer = self.customer_external_id.as_ref().map(|id| format!("customer {id}"));
        [Some(format!("external id {}", self.external_id)), key, customer].into_iter().flatten().collect()
    }

    pub(crate) fn key_string_taken(&self) -> LineOutcome {
        let pointer = if self.license_key_sha256.is_some() { "/license_key_sha256" } else { "/license_key" };
        LineOutcome::failed(pointer, Code::KeyStringTaken, "already used by another license key")
    }
}

impl ImportedKey {
    fn generated(key: &KeyString) -> Self {
        let text = Secret::new(key.expose().to_owned());
        Self { sha256: key.sha256(), hint: key.hint().to_owned(), text: Some(text) }
    }
}

/// Returns the hint of a key string in our own format. The product code is as it was typed, if the text has the usual groups:
/// parsing replaces its ambiguous letters.
fn own_hint(key: &KeyString, typed: &str) -> String {
    let groups: Vec<&str> = typed.rsplitn(7, '-').collect();
    match groups[..] {
        [check, .., product] if groups.len() == 7 && groups[..6].iter().all(|group| group.len() == 5) => {
            format!("{}-…-{}", product.to_uppercase(), check.to_uppercase())
        }
        _ => key.hint().to_owned(),
    }
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// The customer that a line refers to.
enum Owner {
    Customer(CustomerId),
    /// The customer of an earlier line of a dry run.
    InBody,
    None,
}

impl Importer<'_> {
    pub(crate) async fn import_license(&self, line: &LicenseLine, number: usize) -> Result<LineOutcome, StopError> {
        let hash = line_hash(line)?;
        if let Some(outcome) = self.known_license(line, hash).await? {
            return Ok(outcome);
        }
        let (owner, tier) = (self.find_owner(line, number).await?, self.find_tier(line));
        let (owner, (product, tier)) = match (owner, tier) {
            (Ok(owner), Ok(found)) => (owner, found),
            (owner, tier) => return Ok(LineOutcome::Failed([owner.err(), tier.err()].into_iter().flatten().collect())),
        };
        if self.definitions.is_some() {
            let taken = match line.key_sha256() {
                Some(hash) => self.tools.table.key_pointer_of_hash(&hash).await?.is_some(),
                None => false,
            };
            return Ok(if taken { line.key_string_taken() } else { LineOutcome::Created });
        }
        let customer = match owner {
            Owner::Customer(id) => Some(id),
            Owner::InBody | Owner::None => None,
        };
        self.create_license(line, hash, customer, (product, tier)).await
    }

    /// Returns the outcome of a line whose external id a license key has.
    async fn known_license(&self, line: &LicenseLine, hash: LineHash) -> Result<Option<LineOutcome>, StopError> {
        let table = &self.tools.table;
        let found = table.license_with_external_id(&line.external_id).await?;
        if found.is_none()
            && let Ok(id) = line.external_id.parse::<LicenseId>()
            && table.license(id).await?.is_some()
        {
            // An exported line of a license key without an external id has the id of the license key in its place.
            return Ok(Some(external_id_taken(KIND)));
        }
        Ok(known_outcome(found, hash, KIND))
    }

    async fn find_owner(&self, line: &LicenseLine, number: usize) -> Result<Result<Owner, LineError>, StopError> {
        let Some(external_id) = line.customer_external_id.as_deref() else { return Ok(Ok(Owner::None)) };
        if let Some(owner) = self.tools.table.customer_with_external_id(external_id).await? {
            return Ok(Ok(Owner::Customer(owner.id)));
        }
        if self.definitions.is_some_and(|lines| lines.has_customer(external_id, number)) {
            return Ok(Ok(Owner::InBody));
        }
        Ok(Err(customer_not_found()))
    }

    fn find_tier(&self, line: &LicenseLine) -> Result<(&Product, &Tier), LineError> {
        let missing = |pointer, detail| LineError::new(pointer, Code::ReferenceNotFound, detail);
        let Some(id) = line.tier_id else {
            let product = self.catalog.products.values().find(|one| line.product_code.as_ref() == Some(&one.code));
            let product = product.ok_or_else(|| missing("/product_code", "no product has this code"))?;
            let mut tiers = self.catalog.tiers.values().filter(|tier| tier.product_id == product.id);
            let tier = tiers.find(|tier| line.tier_code.as_ref() == Some(&tier.code));
            let detail = "no pricing tier of the product has this code";
            return Ok((product, tier.ok_or_else(|| missing("/tier_code", detail))?));
        };
        let tier = self.catalog.tiers.get(&id);
        let found = tier.and_then(|tier| Some((self.catalog.products.get(&tier.product_id)?, tier)));
        found.ok_or_else(|| missing("/tier_id", "pricing tier not found"))
    }

    /// Creates the license key. As for issued license keys, it becomes the customer's current one for the product, unless it is
    /// revoked; but no other is superseded, because several of one import can be active.
    async fn create_license(
        &self,
        line: &LicenseLine,
        hash: LineHash,
        customer: Option<CustomerId>,
        (product, tier): (&Product, &Tier),
    ) -> Result<LineOutcome, StopError> {
        let table = &self.tools.table;
        let key =
            line.key().unwrap_or_else(|| ImportedKey::generated(&KeyString::generate(&product.code, &mut rand::rng())));
        let mut ids = IdGenerator::new(self.ctx.now);
        let license = self.license(line, ids.generate(), customer, tier, &key.hint);
        let sealed = match &key.text {
            Some(text) => {
                let _one_at_a_time = self.sealing.lock().await;
                Some(self.tools.key_strings.seal_text(license.id, text).await?)
            }
            None => None,
        };
        let data = EventData::LicenseIssued(LicenseIssued {
            imported: Some(true),
            status: Some(license.state.as_str().to_owned()),
            ..LicenseIssued::new(&tier.code, customer)
        });
        let event = self.ctx.event(&mut ids, self.actor, Subject::License(license.id), data);
        let becomes_current = customer.filter(|_| line.status != ImportedStatus::Revoked);
        let mut backoff = Backoff::default();
        loop {
            let current = match becomes_current {
                Some(customer) => {
                    Some(NewCurrent { read: table.current_license(customer, product.id).await?, supersedes: None })
                }
                None => None,
            };
            let (key_sha256, sealed) = (key.sha256, sealed.clone());
            let new = ImportedLicense { license: &license, key_sha256, sealed, event: &event, current, line: hash };
            match table.import_license(&new).await? {
                ImportOutcome::Created => {
                    self.ctx.metrics.count(Metric::Issued);
                    return Ok(LineOutcome::Created);
                }
                ImportOutcome::ExternalIdUsed(imported) => return Ok(used_outcome(imported, hash, KIND)),
                ImportOutcome::UniqueValueTaken => {
                    // A concurrent import of the same line has the same key string.
                    let known = self.known_license(line, hash).await?;
                    return Ok(known.unwrap_or_else(|| line.key_string_taken()));
                }
                ImportOutcome::CustomerErased => return Ok(LineOutcome::Failed(vec![customer_not_found()])),
                ImportOutcome::Conflict => backoff.retry().await?,
            }
        }
    }

    fn license(
        &self,
        line: &LicenseLine,
        id: LicenseId,
        customer: Option<CustomerId>,
        tier: &Tier,
        hint: &str,
    ) -> License {
        let issued_at = line.issued_at.unwrap_or(self.ctx.now);
        let defaults = License::issued(id, customer, tier, hint, issued_at);
        let license = match line.expires_at {
            Some(expires_at) => defaults.with_expiry(expires_at),
            None => defaults,
        };
        let state = match line.status {
            ImportedStatus::Active => State::Active,
            ImportedStatus::Suspended => State::Suspended,
            ImportedStatus::Revoked => State::Revoked { at: self.ctx.now, reason: None, superseded_by: None },
        };
        License {
            max_users: line.max_users.unwrap_or(license.max_users),
            max_tenants: line.max_tenants.unwrap_or(license.max_tenants),
            state,
            name: line.name.clone(),
            external_id: Some(line.external_id.clone()),
            tag: line.tag.clone(),
            metadata: Some(line.metadata.clone().unwrap_or_default()),
            ..license
        }
    }
}
fn customer_not_found() -> LineError {
    LineError::new("/customer_external_id", Code::ReferenceNotFound, "no customer has this external id")
}
