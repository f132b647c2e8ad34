//! The table of error codes, and what it tells of each. The rows are in the order of the variants.

use axum::http::StatusCode;

use super::{
    Code, Entry,
    ErrorLocation::{Body, Parameter, Request},
};

/// The names, statuses and titles, which every function needs. Functions that never call [`Code::entry`] do not contain
/// the other texts.
static SUMMARIES: [(&str, StatusCode, &str); TABLE.len()] = {
    let mut summaries = [("", StatusCode::OK, ""); TABLE.len()];
    let mut index = 0;
    while index < TABLE.len() {
        summaries[index] = (TABLE[index].name, TABLE[index].status, TABLE[index].title);
        index += 1;
    }
    summaries
};

impl Code {
    /// All codes, ordered by HTTP status.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [TABLE[0].code; TABLE.len()];
        let mut index = 0;
        while index < TABLE.len() {
            assert!(TABLE[index].code as usize == index, "the table and the variants have the same order");
            all[index] = TABLE[index].code;
            index += 1;
        }
        all
    };

    /// Returns the code as a JSON string.
    pub const fn as_str(self) -> &'static str {
        SUMMARIES[self as usize].0
    }

    /// Returns the HTTP status.
    pub const fn status(self) -> StatusCode {
        SUMMARIES[self as usize].1
    }

    /// Returns the title: a short summary in sentence case.
    pub const fn title(self) -> &'static str {
        SUMMARIES[self as usize].2
    }

    /// Returns the row of the table.
    pub const fn entry(self) -> Entry {
        TABLE[self as usize]
    }
}

/// A row for each code.
const TABLE: [Entry; 54] = [
    Entry {
        code: Code::MalformedJson,
        name: "malformed_json",
        status: StatusCode::BAD_REQUEST,
        title: "Malformed JSON",
        cause: "The body is not valid JSON, or it is incomplete. `detail` gives the line and column of the error.",
        resolution: "Send a single JSON object in UTF-8 with nothing after it. Serialize it with a JSON library: \
                     JSON that is concatenated from strings breaks at the first quote or line break in a value. \
                     With curl, put the body in single quotes or in a file, so that the shell does not change it.",
        detail: "malformed JSON: EOF while parsing an object at line 1 column 17",
        location: Request,
    },
    Entry {
        code: Code::IdempotencyKeyInvalid,
        name: "idempotency_key_invalid",
        status: StatusCode::BAD_REQUEST,
        title: "Invalid Idempotency-Key",
        cause: "The `Idempotency-Key` header is empty, longer than 255 characters, contains non-ASCII characters, \
                or occurs more than once. The request had no effect.",
        resolution: "Send the header once, with 1 to 255 ASCII characters, optionally in double quotes. Use \
                     another key for each operation: a random UUID, or a text that identifies the operation in your \
                     system.",
        detail: "Idempotency-Key must be one value of 1 to 255 printable ASCII characters, optionally in double \
                 quotes",
        location: Request,
    },
    Entry {
        code: Code::Unauthenticated,
        name: "unauthenticated",
        status: StatusCode::UNAUTHORIZED,
        title: "Missing or invalid credentials",
        cause: "The endpoint requires authentication. The request has no credential, more than one, or an invalid \
                one: an unknown, deleted or expired API key, or a bearer token that has expired, is for another \
                audience, or comes from an issuer that this installation does not trust.",
        resolution: "Programs send an API key in the `X-Api-Key` header. Users sign in and send the identity \
                     provider's token as `Authorization: Bearer …`. Send exactly one of the two. To replace a \
                     lost API key, use an API key with the scope `access:write` to create a new one. License keys \
                     and license tokens are not accepted in headers: send them in the body of the endpoints for \
                     apps.",
        detail: "send an API key as X-Api-Key, or a token as Authorization: Bearer",
        location: Request,
    },
    Entry {
        code: Code::TokenInvalid,
        name: "token_invalid",
        status: StatusCode::UNAUTHORIZED,
        title: "Invalid license token",
        cause: "The license token in the body was not signed by this issuer, or it was altered. Expiry is not a \
                reason for this error: an expired token can still be renewed.",
        resolution: "Send the token exactly as you received it. If `token_type` was `JWE`, decrypt it and send \
                     the nested JWT. If the token comes from another installation, or the key that signed it was \
                     condemned, activate the machine again with its license key.",
        detail: "invalid license token: not signed by this issuer, or altered",
        location: Request,
    },
    Entry {
        code: Code::Forbidden,
        name: "forbidden",
        status: StatusCode::FORBIDDEN,
        title: "Permission denied",
        cause: "The caller is authenticated but lacks a permission: the API key does not have the required scope, \
                the user is not an operator, or the user's email address is not verified by the identity \
                provider. `detail` names what is missing.",
        resolution: "The API documentation lists the scope of each endpoint. The scopes of an API key cannot be \
                     changed: create another one with a caller that has `access:write` and the required scope. \
                     The `operator` role and the verification of an email address come from the identity provider \
                     and take effect at the next sign-in. The endpoints `/register` and `/user/…` are for users \
                     and do not accept API keys.",
        detail: "the API key needs the scope licenses:write",
        location: Request,
    },
    Entry {
        code: Code::DirectAccessDenied,
        name: "direct_access_denied",
        status: StatusCode::FORBIDDEN,
        title: "Direct access denied",
        cause: "CloudFront is in front of this installation, but the request was not forwarded by it. The request had \
                no effect.",
        resolution: "Send the request to the URL in `detail`. If that URL itself returns this error, CloudFront does \
                     not send the origin secret that the functions expect: the operator has to check its rotation.",
        detail: "send the request to https://licenses.example.com",
        location: Request,
    },
    Entry {
        code: Code::Revoked,
        name: "revoked",
        status: StatusCode::FORBIDDEN,
        title: "License key revoked",
        cause: "The operator revoked this license key permanently, for example after a refund. Its tokens are no \
                longer renewed, and machines cannot activate.",
        resolution: "A revocation cannot be undone: the customer needs a new license key. The app should inform \
                     its user. The last token stays valid offline until its `enforcement.offline_until`.",
        detail: "license key is revoked",
        location: Request,
    },
    Entry {
        code: Code::Superseded,
        name: "superseded",
        status: StatusCode::FORBIDDEN,
        title: "License key superseded",
        cause: "The customer received a newer license key for the same product, and the product allows one \
                license key per customer. The machines of the older license key lost their seats.",
        resolution: "Activate again with the newer key string. `superseded_by` of the license names the newer \
                     license key. To allow several license keys per customer, set `one_key_per_customer` of the \
                     product to false.",
        detail: "license key is superseded by a newer license key",
        location: Request,
    },
    Entry {
        code: Code::Suspended,
        name: "suspended",
        status: StatusCode::FORBIDDEN,
        title: "License key suspended",
        cause: "The operator suspended this license key. Until it is reinstated, machines cannot activate and \
                tokens are not renewed. Machines keep their seats until their leases lapse.",
        resolution: "Reinstate the license key with `POST /license-keys/{id}/reinstate`. The next heartbeat of an \
                     app then renews its token, even an expired one, unless another machine has taken the seat.",
        detail: "license key is suspended",
        location: Request,
    },
    Entry {
        code: Code::Expired,
        name: "expired",
        status: StatusCode::FORBIDDEN,
        title: "License key expired",
        cause: "The license key has reached its `expires_at`, and the grace after it has ended. Tokens never outlive it.",
        resolution: "Renew the license key with `POST /license-keys/{id}/renew`. The next heartbeat of an app \
                     then renews its token, unless another machine has taken the seat.",
        detail: "license key has expired",
        location: Request,
    },
    Entry {
        code: Code::ProductInactive,
        name: "product_inactive",
        status: StatusCode::FORBIDDEN,
        title: "Product inactive",
        cause: "The product of this license key has `is_active` false, so none of its license keys can be used.",
        resolution: "If this is unintended, replace the product with `is_active` true. To stop selling a product \
                     while existing license keys stay usable, set `is_active` of its pricing tiers to false \
                     instead.",
        detail: "product is not active",
        location: Request,
    },
    Entry {
        code: Code::GenerationOutdated,
        name: "generation_outdated",
        status: StatusCode::FORBIDDEN,
        title: "License key regenerated",
        cause: "The license key was regenerated. The previous key string, its tokens and its seats are invalid.",
        resolution: "Get the new key string from the operator, or as the customer from the dashboard, and \
                     activate each machine again with it.",
        detail: "license key was regenerated; activate again with the new key string",
        location: Request,
    },
    Entry {
        code: Code::NotActivated,
        name: "not_activated",
        status: StatusCode::FORBIDDEN,
        title: "Machine not activated",
        cause: "The machine holds no seat of this license key: it was never activated, it was deactivated, \
                another machine took the seat after the lease lapsed, or the number of seats was reduced. The \
                token that is returned when a license key is issued is not bound to a machine.",
        resolution: "Activate the machine with its license key or its last token. To keep a seat, send a \
                     heartbeat every `heartbeat_interval_seconds`.",
        detail: "this machine holds no seat: activate it",
        location: Request,
    },
    Entry {
        code: Code::MachineMismatch,
        name: "machine_mismatch",
        status: StatusCode::FORBIDDEN,
        title: "Token belongs to another machine",
        cause: "The token belongs to another machine: `machine_id` in the body differs from the one in the \
                `activation` claim of the token.",
        resolution: "Send the `machine_id` that was used for the activation, byte for byte. Derive it from \
                     something that survives restarts and updates. If the disk of a machine was cloned, activate \
                     the clone with the license key to get a token of its own.",
        detail: "the token belongs to another machine",
        location: Request,
    },
    Entry {
        code: Code::TierNotClaimable,
        name: "tier_not_claimable",
        status: StatusCode::FORBIDDEN,
        title: "Pricing tier not claimable",
        cause: "Customers cannot claim this pricing tier: it does not exist, its `is_claimable` is false, or the \
                tier or its product is not active.",
        resolution: "`GET /products/catalog` lists the tiers and whether they can be claimed. License keys of \
                     other tiers are issued by the operator.",
        detail: "this pricing tier cannot be claimed",
        location: Request,
    },
    Entry {
        code: Code::AlreadyClaimed,
        name: "already_claimed",
        status: StatusCode::FORBIDDEN,
        title: "Pricing tier already claimed",
        cause: "A pricing tier can be claimed only once per customer. This customer claimed it before, and that \
                license key has expired or is suspended, revoked or superseded. While it is active, claiming the \
                tier again returns the same license key.",
        resolution: "Ask the operator to renew or reinstate that license key, or to issue another one.",
        detail: "this pricing tier was already claimed",
        location: Request,
    },
    Entry {
        code: Code::NotFound,
        name: "not_found",
        status: StatusCode::NOT_FOUND,
        title: "Not found",
        cause: "The resource does not exist, or the caller may not access it; the response does not tell which. \
                The same applies to an unknown or mistyped license key.",
        resolution: "Compare the path with the API documentation and the id with the list of resources. Each kind \
                     of id has its own prefix, such as `lic_…`. Case, spaces and dashes in a license key do not \
                     matter, but all other characters do: copy the license key if possible. A deactivated \
                     activation can be read until the machine activates again.",
        detail: "not found",
        location: Request,
    },
    Entry {
        code: Code::VersionUnknown,
        name: "version_unknown",
        status: StatusCode::NOT_FOUND,
        title: "Unknown API version",
        cause: "The path names an unknown API version.",
        resolution: "Use `/api/v1.0/`. `/api/v1/` is an alias of it.",
        detail: "unknown API version: use v1.0 or v1",
        location: Request,
    },
    Entry {
        code: Code::MethodNotAllowed,
        name: "method_not_allowed",
        status: StatusCode::METHOD_NOT_ALLOWED,
        title: "Method not allowed",
        cause: "The path exists but does not support this method.",
        resolution: "Use one of the methods in the `Allow` header. To change some fields of a resource, \
                     use PATCH; to replace it, PUT. Most resources cannot be deleted: revoke license keys, and set \
                     `is_active` of products and pricing tiers to false.",
        detail: "method not allowed: the Allow header lists the supported methods",
        location: Request,
    },
    Entry {
        code: Code::BodyTooLarge,
        name: "body_too_large",
        status: StatusCode::PAYLOAD_TOO_LARGE,
        title: "Request body too large",
        cause: "The body is larger than 64 KiB, or that of an import larger than 4,000,000 bytes.",
        resolution: "Check whether a file was sent instead of its name, or several resources in one request. Send the lines of \
                     an import in several requests: `signet import` does.",
        detail: "the body must not exceed 64 KiB",
        location: Request,
    },
    Entry {
        code: Code::UnsupportedMediaType,
        name: "unsupported_media_type",
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        title: "Unsupported media type",
        cause: "The `Content-Type` of the request is not JSON, or not that of an import.",
        resolution: "Send `Content-Type: application/json`, with PATCH also `application/merge-patch+json`, with `POST /imports` only `application/x-ndjson`. With `-d`, curl sends the content type of a form \
                     unless you add `-H 'Content-Type: application/json'`.",
        detail: "unsupported media type: send Content-Type: application/json",
        location: Request,
    },
    Entry {
        code: Code::CodeTaken,
        name: "code_taken",
        status: StatusCode::CONFLICT,
        title: "Code already in use",
        cause: "Another product, or another tier of the same product, already has this code. Codes are unique and \
                immutable.",
        resolution: "Choose another code, or use the existing resource, which the list shows. If a previous \
                     attempt created it and its response was lost, send an `Idempotency-Key` with future \
                     requests: a retry then returns the first response.",
        detail: "already used by another product",
        location: Body("/code"),
    },
    Entry {
        code: Code::KeyTaken,
        name: "key_taken",
        status: StatusCode::CONFLICT,
        title: "Feature key already in use",
        cause: "Another feature of the same product already has this key. Feature keys are unique within a \
                product and immutable, because apps check for them.",
        resolution: "Choose another key, or use the existing feature: `GET /product-features?product_id=…` lists \
                     the features of the product.",
        detail: "already used by another feature of this product",
        location: Body("/key"),
    },
    Entry {
        code: Code::EmailTaken,
        name: "email_taken",
        status: StatusCode::CONFLICT,
        title: "Email address already in use",
        cause: "Another customer has this email address; case is ignored. When a user registers: a customer with \
                this address exists, and either the identity provider has not verified the address or another \
                user is already linked to that customer.",
        resolution: "As an operator, find the customer with `GET /customers?email=…` and use it, or change its \
                     address. As a user, verify the address with the identity provider, sign in again, and \
                     register again.",
        detail: "already used by another customer",
        location: Body("/email"),
    },
    Entry {
        code: Code::ExternalIdTaken,
        name: "external_id_taken",
        status: StatusCode::CONFLICT,
        title: "External id already in use",
        cause: "Another customer, or another license key, has this external id. External ids are unique per kind.",
        resolution: "Find the resource with `?external_id=…` in the list of its kind and use it, or change its \
                     external id.",
        detail: "already used by another customer",
        location: Body("/external_id"),
    },
    Entry {
        code: Code::KeyStringTaken,
        name: "key_string_taken",
        status: StatusCode::CONFLICT,
        title: "Key string already in use",
        cause: "A line of an import has the key string, or the hash of the key string, of another license key.",
        resolution: "Search for the key string in the dashboard to find the license key that has it. Each key string belongs \
                     to one license key: remove the line, or import it without a key string, so that it gets a new one.",
        detail: "already used by another license key",
        location: Body("/license_key"),
    },
    Entry {
        code: Code::ImportConflict,
        name: "import_conflict",
        status: StatusCode::CONFLICT,
        title: "Imported with other values",
        cause: "A customer or a license key was imported with this external id and other values. An import creates resources, \
                and never changes them.",
        resolution: "If the line is wrong, remove it. To change the resource, find it with `?external_id=…` in the list of its \
                     kind, and use the operations for that.",
        detail: "was imported with other values",
        location: Body("/external_id"),
    },
    Entry {
        code: Code::KeyNotStored,
        name: "key_not_stored",
        status: StatusCode::CONFLICT,
        title: "Key string not stored",
        cause: "The license key was imported with the hash of its key string, so Signet cannot show the key string. The key \
                string that its customer has is valid.",
        resolution: "Ask the customer for the key string, or read it in the system that the license key was imported from. If \
                     it is lost, `POST /license-keys/{id}/regenerate` replaces it with a new one.",
        detail: "the key string was imported as a hash and is not stored: regenerate the license key to get a new one",
        location: Request,
    },
    Entry {
        code: Code::SeatLimitReached,
        name: "seat_limit_reached",
        status: StatusCode::CONFLICT,
        title: "Seat limit reached",
        cause: "Every seat of this license key is held by a machine whose lease has not lapsed.",
        resolution: "Deactivate a machine that is no longer used: an app can do so with its token, a customer in \
                     the dashboard, an operator with `POST /license-activations/{id}/deactivate`. Or increase the \
                     number of seats with `POST /license-keys/{id}/change`. The seat of a machine that stopped \
                     without deactivating becomes available when its lease lapses; `lease_expires_at` in the list \
                     of activations tells when, and `retry_at` in this response when the first of those that were read does.",
        detail: "every seat of this license key is taken: deactivate a machine first",
        location: Request,
    },
    Entry {
        code: Code::BorrowNotAllowed,
        name: "borrow_not_allowed",
        status: StatusCode::FORBIDDEN,
        title: "Borrowing not allowed",
        cause: "The pricing tier does not allow borrowing (`max_borrow_seconds` is 0, or processes hold its seats), or the time is \
                later than `max_borrow_seconds` from now or than the `expires_at` of the license key.",
        resolution: "Choose an earlier time. An operator can change `max_borrow_seconds` of the pricing tier, or renew the \
                     license key first.",
        detail: "seats of this pricing tier cannot be borrowed",
        location: Request,
    },
    Entry {
        code: Code::SeatBorrowed,
        name: "seat_borrowed",
        status: StatusCode::CONFLICT,
        title: "Seat borrowed",
        cause: "The machine has borrowed its seat. Its token works offline until the borrow ends, so a customer cannot free the \
                seat before.",
        resolution: "Return the seat in the app on that machine, or ask the operator, who can deactivate it at any time.",
        detail: "the seat is borrowed until 2026-07-15T12:00:00Z: only the app on its machine or an operator can return it before",
        location: Request,
    },
    Entry {
        code: Code::SeatsBorrowed,
        name: "seats_borrowed",
        status: StatusCode::CONFLICT,
        title: "Seats borrowed",
        cause: "A borrowed seat would be outside of the new limit: its number is at or above it, or it was borrowed while the \
                license key had no limit. Its token works offline until the borrow ends.",
        resolution: "Change the limit after the borrow has ended, or deactivate the machine as an operator: its token then works \
                     until the borrow ends, in addition to the new seats.",
        detail: "borrowed seats that would be outside of the new limit: 2",
        location: Request,
    },
    Entry {
        code: Code::BorrowReturnLimit,
        name: "borrow_return_limit",
        status: StatusCode::CONFLICT,
        title: "Too many early returns",
        cause: "As many borrowed seats as the license key has were returned before their borrows ended. The token of a returned \
                seat works offline until then, so returns are limited: in a time that starts with the first return and is as \
                long as the longest borrow that was possible.",
        resolution: "Wait until the borrow ends, or ask the operator, who can deactivate the machine at any time.",
        detail: "too many borrowed seats of this license key were returned early: the seat is free when the borrow ends",
        location: Request,
    },
    Entry {
        code: Code::OfflineActivation,
        name: "offline_activation",
        status: StatusCode::FORBIDDEN,
        title: "License file in use",
        cause: "A license file was issued for the machine. It works without the API until it ends, so neither the app nor the \
                customer can free the seat before.",
        resolution: "Wait until the license file ends, or ask the operator, who can deactivate the machine at any time.",
        detail: "a license file of this machine can be used until 2026-07-15T12:00:00Z: only an operator can deactivate it before",
        location: Request,
    },
    Entry {
        code: Code::StateConflict,
        name: "state_conflict",
        status: StatusCode::CONFLICT,
        title: "Not allowed in the current state",
        cause: "The current state of the resource does not allow this operation. For example, a revoked license \
                key cannot be suspended, only a suspended one can be reinstated, and the seat limit cannot be \
                lower than the number of seats in use. `detail` names the conflict.",
        resolution: "Read the resource again and decide based on its current state. Repeating the request has the \
                     same result until the state changes.",
        detail: "license key is revoked; only an active license key can be suspended",
        location: Request,
    },
    Entry {
        code: Code::CustomerNotRegistered,
        name: "customer_not_registered",
        status: StatusCode::CONFLICT,
        title: "Customer not registered",
        cause: "The signed-in user is not registered as a customer.",
        resolution: "Send `POST /register` with the same bearer token, then repeat the request.",
        detail: "the user is not registered as a customer: send POST /register first",
        location: Request,
    },
    Entry {
        code: Code::CustomerHasActiveLicenses,
        name: "customer_has_active_licenses",
        status: StatusCode::CONFLICT,
        title: "Customer has active licenses",
        cause: "The customer to erase has license keys that are active or suspended.",
        resolution: "Revoke the license keys first, or repeat the request with `revoke=true`.",
        detail: "license keys that are active or suspended: 2. Revoke them first, or send revoke=true",
        location: Request,
    },
    Entry {
        code: Code::AlreadyLicensed,
        name: "already_licensed",
        status: StatusCode::CONFLICT,
        title: "Product already licensed",
        cause: "The customer has another license key for this product that is active or suspended. A claim \
                replaces only an expired license key.",
        resolution: "`GET /user/licenses` shows the existing license key. To move it to another pricing tier, ask \
                     the operator to use `POST /license-keys/{id}/change`.",
        detail: "the customer already has a license key for this product",
        location: Request,
    },
    Entry {
        code: Code::LastAccessKey,
        name: "last_access_key",
        status: StatusCode::CONFLICT,
        title: "Last API key that manages access",
        cause: "No other API key without an expiry has the scope `access:write`. If this one were deleted, no \
                program could create API keys any more.",
        resolution: "Create another API key with `access:write` or `*` and without `expires_at`, then use it to \
                     delete this one.",
        detail: "no other API key without an expiry has access:write: create one first",
        location: Request,
    },
    Entry {
        code: Code::IdempotencyInProgress,
        name: "idempotency_in_progress",
        status: StatusCode::CONFLICT,
        title: "Request in progress",
        cause: "A request with the same `Idempotency-Key` is still being processed.",
        resolution: "Wait for the number of seconds in the `Retry-After` header, then send the same request with \
                     the same key. It returns the response of the first request and has no further effect.",
        detail: "a request with this Idempotency-Key is in progress: retry later",
        location: Request,
    },
    Entry {
        code: Code::VersionConflict,
        name: "version_conflict",
        status: StatusCode::PRECONDITION_FAILED,
        title: "Precondition failed",
        cause: "The resource was changed since you read it: its `ETag` does not match `If-Match`. The request had \
                no effect.",
        resolution: "Read the resource again, apply your change to the current version, and send it with the new \
                     `ETag`.",
        detail: "the resource does not match If-Match: read it again",
        location: Request,
    },
    Entry {
        code: Code::InvalidValue,
        name: "invalid_value",
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Invalid value",
        cause: "One or more values are missing or invalid. `errors` has an entry for each, with its location and \
                what is accepted.",
        resolution: "`pointer` is the location in the body, such as `/max_users` or `/feature_ids/0`; `parameter` \
                     is the name of a query, path or header parameter. Correct all values, then send the request \
                     again.",
        detail: "must be between 1 and 100000, or null for no limit",
        location: Body("/max_users"),
    },
    Entry {
        code: Code::UnknownField,
        name: "unknown_field",
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Unknown field",
        cause: "The body or the query has a field that this endpoint does not define. Unknown fields are rejected \
                so that typos are noticed.",
        resolution: "Correct the name that `pointer` or `parameter` gives, or remove the field. Responses have \
                     fields that requests do not accept, such as `id` and `created_at`: remove them before \
                     sending a resource back.",
        detail: "unknown field",
        location: Body("/max_user"),
    },
    Entry {
        code: Code::ReferenceNotFound,
        name: "reference_not_found",
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Reference not found",
        cause: "A line of an import refers to a customer, a license key, a product or a pricing tier that does not exist.",
        resolution: "Import customers before their license keys, and these before their activations, and create products \
                     and pricing tiers before an import. A line that failed creates nothing that later lines can refer to. With \
                     `dry_run`, lines can refer to earlier lines of the same request only, besides existing resources.",
        detail: "no customer has this external id",
        location: Body("/customer_external_id"),
    },
    Entry {
        code: Code::Immutable,
        name: "immutable",
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Immutable field",
        cause: "`code`, `key` and `product_id` cannot be changed, because tokens, license keys and deployed apps \
                refer to them.",
        resolution: "Send the current value or omit the field. To use another code, create a new resource and set \
                     `is_active` of the old one to false.",
        detail: "can't be changed from atlas",
        location: Body("/code"),
    },
    Entry {
        code: Code::CursorInvalid,
        name: "cursor_invalid",
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Invalid cursor",
        cause: "The `cursor` belongs to another list or to other filters, or it was altered.",
        resolution: "Send `next_cursor` unchanged, to the same list with the same filters. Omit the cursor to \
                     start at the beginning of the list.",
        detail: "invalid cursor: it belongs to another list or was altered",
        location: Parameter("cursor"),
    },
    Entry {
        code: Code::TierCycle,
        name: "tier_cycle",
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Tier includes itself",
        cause: "The tier in `includes_tier_id` includes this tier, directly or through other tiers, so this tier \
                would include itself.",
        resolution: "Let larger tiers include smaller ones, in one direction only. `includes_tier_id` of each \
                     tier shows the current order.",
        detail: "the included tier includes this tier, directly or indirectly",
        location: Body("/includes_tier_id"),
    },
    Entry {
        code: Code::TierOfOtherProduct,
        name: "tier_of_other_product",
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Tier belongs to another product",
        cause: "The pricing tier belongs to another product. A tier can include only tiers of its own product, \
                and a license key cannot move to another product.",
        resolution: "`GET /pricing-tiers?product_id=…` lists the tiers of a product. For another product, issue \
                     another license key.",
        detail: "tier belongs to another product",
        location: Body("/tier_id"),
    },
    Entry {
        code: Code::FeatureOfOtherProduct,
        name: "feature_of_other_product",
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Feature belongs to another product",
        cause: "A feature of another product cannot be part of this tier. `errors` names the feature.",
        resolution: "`GET /product-features?product_id=…` lists the features of a product. Create the missing \
                     feature for the product of the tier.",
        detail: "feature belongs to another product",
        location: Body("/feature_ids/0"),
    },
    Entry {
        code: Code::PublicKeyInvalid,
        name: "public_key_invalid",
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Invalid public key",
        cause: "Tokens cannot be encrypted with this public key: it is not an RSA key, has fewer than 2048 or \
                more than 4096 bits or an unusual exponent, is not meant for encryption according to its `use`, \
                `alg` or `key_ops`, cannot be parsed as JWK or PEM, or is a private key. `detail` gives the \
                reason.",
        resolution: "Send the public key of an RSA key pair of 2048 to 4096 bits, as a JWK or in PEM format (SPKI \
                     or PKCS#1). If you sent a private key, treat it as compromised and generate a new key pair.",
        detail: "must be an RSA public key of 2048 to 4096 bits",
        location: Body("/public_key"),
    },
    Entry {
        code: Code::IdempotencyKeyReused,
        name: "idempotency_key_reused",
        status: StatusCode::UNPROCESSABLE_ENTITY,
        title: "Idempotency-Key reused",
        cause: "The same caller used this `Idempotency-Key` on the same path within the last 24 hours with \
                another body. The request had no effect.",
        resolution: "Use another key for each operation, and after an error whose cause you have corrected. A retry must send \
                     the same body, byte for byte.",
        detail: "this Idempotency-Key was already used with a different body: use a new key",
        location: Parameter("Idempotency-Key"),
    },
    Entry {
        code: Code::RateLimited,
        name: "rate_limited",
        status: StatusCode::TOO_MANY_REQUESTS,
        title: "Too many requests",
        cause: "Too many requests of one kind: invalid license keys, API keys or tokens from one client address, \
                activations of one license key, or searches for a seat that found none. `detail` tells which.",
        resolution: "Wait for the number of seconds in the `Retry-After` header. Requests with valid credentials \
                     are never limited by address. If machines are created and destroyed often, give each a \
                     persistent `machine_id`, so that it finds its seat again when it returns.",
        detail: "too many failed authentication attempts from this address: retry later",
        location: Request,
    },
    Entry {
        code: Code::Unavailable,
        name: "unavailable",
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "Service unavailable",
        cause: "A dependency of Signet did not respond in time: DynamoDB, the signing keys in KMS, or the \
                identity provider. No data is lost.",
        resolution: "Repeat the request after the number of seconds in the `Retry-After` header, a POST with the \
                     same `Idempotency-Key`. Apps continue with the token that they have.",
        detail: "service temporarily unavailable: retry in a few seconds",
        location: Request,
    },
    Entry {
        code: Code::InternalError,
        name: "internal_error",
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "Internal server error",
        cause: "An unexpected error in Signet. It is not caused by the request.",
        resolution: "Repeat the request. If the error persists, report the `trace_id` to the operator, who can \
                     find the cause in the log.",
        detail: "internal server error: retry the request, and report the trace_id if it fails again",
        location: Request,
    },
];
