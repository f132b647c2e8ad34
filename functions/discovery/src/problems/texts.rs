//! What a developer who meets a problem wants to know of it: one text for each code.

use shared::{
    domain::{Code, FieldError},
    http::{Problem, problem::ProblemBody},
};

/// What there is to say of a code.
#[derive(Debug, Clone, Copy)]
pub struct Explanation {
    /// What happened. Words of the API stand in backquotes.
    pub happened: &'static str,
    /// What to do about it.
    pub mend: &'static str,
    /// What an answer of this code may say of its case.
    detail: &'static str,
    place: Place,
}

/// Where an example's fault stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the request as a whole, or not in the request.
    Whole,
    Body(&'static str),
    Parameter(&'static str),
}

/// A problem of this code as this issuer would answer it.
pub fn example(code: Code, issuer: &str) -> ProblemBody {
    let Explanation { detail, place, .. } = explain(code);
    let problem: Problem = match place {
        Place::Whole => Problem::new(code, detail),
        Place::Body(pointer) => FieldError::at(pointer, code, detail).into(),
        Place::Parameter(name) => FieldError::parameter(name, code, detail).into(),
    };
    problem.body(issuer, "1-69a0c1f2-5d0b7e3a9c4f8e21b6d3a071".to_owned())
}

/// What happened, and how to mend it.
#[expect(clippy::too_many_lines, reason = "one text for each code")]
pub const fn explain(code: Code) -> Explanation {
    match code {
        Code::MalformedJson => Explanation {
            happened: "The body could not be read as JSON, or did not arrive whole. `detail` says at which line and column \
                       reading stopped.",
            mend: "Send one JSON object in UTF-8, and nothing after it. Let a JSON library write it: what is put \
                   together from pieces of text breaks at the first quote or line break in a name. With curl, put the \
                   body in single quotes or into a file, so that the shell takes nothing away.",
            detail: "the body is not JSON: EOF while parsing an object at line 1 column 17",
            place: Place::Whole,
        },
        Code::IdempotencyKeyInvalid => Explanation {
            happened: "The header `Idempotency-Key` is empty, longer than 255 characters, not of ASCII characters, or \
                       stands in the request twice. Nothing was done.",
            mend: "Send it once, with 1 to 255 characters, bare or in double quotes. A UUID that is drawn for each \
                   thing that is to happen once will do.",
            detail: "Idempotency-Key is one text of 1 to 255 characters, bare or in double quotes",
            place: Place::Whole,
        },
        Code::Unauthenticated => Explanation {
            happened: "The endpoint has to know who asks. The request carries no credential, more than one, or one that \
                       does not hold: an API key that is unknown, deleted or past its end, or a bearer token that has \
                       expired, is for another audience, or is of another issuer than the one that Signet was told to \
                       trust.",
            mend: "A program sends an API key in the header `X-Api-Key`; a person signs in and sends the issuer's token \
                   as `Authorization: Bearer …`. Send one of the two, once. An API key that was lost is replaced by \
                   whoever has the scope `access:write`. License keys and license tokens are no credentials here: they \
                   belong into the body of what consuming apps call.",
            detail: "send an API key in the header X-Api-Key, or a token as Authorization: Bearer",
            place: Place::Whole,
        },
        Code::TokenInvalid => Explanation {
            happened: "The license token in the body is not one that this issuer signed, or it was altered since. Its age \
                       is no reason for this answer: a token that is past its `exp` can still be renewed.",
            mend: "Send the token exactly as the last answer gave it. Where `token_type` was `JWE`, send the JWT that \
                   is inside. If the token is from another installation, or the key that signed it was condemned, \
                   activate the machine again with its license key: that gives a token that holds.",
            detail: "this is not a license token of this issuer, or its signature does not hold",
            place: Place::Whole,
        },
        Code::Forbidden => Explanation {
            happened: "The caller is known, and may not do this: its API key lacks a scope, or whoever signed in is not an \
                       operator, or registers with an e-mail address that the identity provider has not verified. `detail` \
                       says what it takes.",
            mend: "The documentation of each operation names its scope. A key's scopes never change: whoever has \
                   `access:write`, and the scope itself, makes another key. The role `operator` comes from the identity \
                   provider, and counts from the next sign-in; so does an address that it has verified. What is under `/user` and `/register` is for people, not \
                   for API keys.",
            detail: "this takes the scope licenses:write",
            place: Place::Whole,
        },
        Code::Revoked => Explanation {
            happened: "The operator ended this license key for good, after a refund for example. No token of it is renewed, \
                       and no machine can activate.",
            mend: "Nothing brings it back: its customer needs another license key. An app tells its user so. The last \
                   token that it has is honoured offline until its `exp`, and for the tier's grace period after that.",
            detail: "this license key was revoked",
            place: Place::Whole,
        },
        Code::Superseded => Explanation {
            happened: "The customer was issued a newer license key of the same product, and of this product a customer has \
                       one at a time. The older one's machines lost their seats with it.",
            mend: "Activate again, with the newer key string. `superseded_by` of this license names the newer one. \
                   Where customers should hold several keys of a product at once, the operator sets the product's \
                   `one_key_per_customer` to false.",
            detail: "a newer license key took this one's place",
            place: Place::Whole,
        },
        Code::Suspended => Explanation {
            happened: "The operator has suspended this license key. Until it is reinstated no machine activates and no \
                       token is renewed; machines keep their seats while their leases last.",
            mend: "`POST /license-keys/{id}/reinstate` makes it good again. From then on an app's next heartbeat renews \
                   the token that it has, also one that is past its `exp`, if no other machine has taken the seat.",
            detail: "this license key is suspended",
            place: Place::Whole,
        },
        Code::Expired => Explanation {
            happened: "This license key reached its `expires_at`. No token outlives it.",
            mend: "`POST /license-keys/{id}/renew` moves its end. From then on an app's next heartbeat renews the token \
                   that it has, if no other machine has taken the seat.",
            detail: "this license key has expired",
            place: Place::Whole,
        },
        Code::ProductInactive => Explanation {
            happened: "The product of this license key is switched off: its `is_active` is false, and none of its license \
                       keys is honoured.",
            mend: "If that is not meant, the operator replaces the product with `is_active` true. To stop selling a \
                   product whose licenses go on, make its pricing tiers inactive instead.",
            detail: "the product of this license key is not active",
            place: Place::Whole,
        },
        Code::GenerationOutdated => Explanation {
            happened: "This license key was regenerated. It has a new key string; the one before, every token and every \
                       seat from before no longer count.",
            mend: "Get the new key string from the operator or, as its customer, from the dashboard, and activate each \
                   machine again with it.",
            detail: "this license key was regenerated since: the machine must activate with the new key string",
            place: Place::Whole,
        },
        Code::NotActivated => Explanation {
            happened: "The machine holds no seat of this license: it never activated, was deactivated, its lease lapsed and \
                       another machine took the seat, or the license key has fewer seats now. A token that issuing a \
                       license key returned names no machine at all.",
            mend: "Activate the machine, with its license key or its last token. A machine keeps its seat by a \
                   heartbeat every `heartbeat_interval_seconds`.",
            detail: "this machine holds no seat: activate it",
            place: Place::Whole,
        },
        Code::MachineMismatch => Explanation {
            happened: "The token was made for another machine: the `machine_id` in the body is not the one in its claim \
                       `activation`.",
            mend: "Send the `machine_id` that the machine activated with, letter for letter, and derive it from \
                   something that outlasts restarts and updates. A machine whose disk was copied from another activates \
                   with the license key, to have a token of its own.",
            detail: "this token was made for another machine",
            place: Place::Whole,
        },
        Code::TierNotClaimable => Explanation {
            happened: "This pricing tier is not one that customers take by themselves: there is no such tier, its \
                       `is_claimable` is false, or it or its product is not active.",
            mend: "`GET /products/catalog` shows the tiers, and which of them are claimable. Any other is issued by the \
                   operator.",
            detail: "this tier is not one that may be claimed",
            place: Place::Whole,
        },
        Code::AlreadyClaimed => Explanation {
            happened: "A pricing tier is claimed once. This customer has claimed it before, and the license key of then has \
                       expired, is suspended, or was revoked or superseded. While it is active, claiming again gives that \
                       same key.",
            mend: "The operator renews or reinstates that key, or issues another.",
            detail: "this tier was claimed before",
            place: Place::Whole,
        },
        Code::NotFound => Explanation {
            happened: "There is nothing here that this caller may see. What belongs to somebody else is answered as if it \
                       were not there, and so is a license key that is unknown or mistyped.",
            mend: "Compare the path with the documentation, and the id with what the list shows: each kind begins with \
                   its own word, as in `lic_…`. Case, spaces and dashes of a license key don't matter, every other \
                   symbol does: copy it if you can. An activation that has ended is there until its machine activates \
                   again.",
            detail: "there is no such thing here",
            place: Place::Whole,
        },
        Code::VersionUnknown => Explanation {
            happened: "The path names a version of the API that there is not.",
            mend: "Every endpoint is under `/api/v1.0/`, of which `/api/v1/` is another name.",
            detail: "known versions are v1.0 and v1",
            place: Place::Whole,
        },
        Code::MethodNotAllowed => Explanation {
            happened: "The path is right, and takes other methods than this one.",
            mend: "The header `Allow` lists them. What can be changed is replaced with PUT; there is no PATCH. Little \
                   can be deleted, as history stays: license keys are revoked, products and pricing tiers are made \
                   inactive.",
            detail: "see the Allow header for what this path takes",
            place: Place::Whole,
        },
        Code::BodyTooLarge => Explanation {
            happened: "The body has more than 64 KiB.",
            mend: "Nothing in the API takes as much. Look at what is sent: a file in place of its name, or several \
                   things in one request.",
            detail: "a body has 64 KiB at most",
            place: Place::Whole,
        },
        Code::UnsupportedMediaType => Explanation {
            happened: "The request does not say that its body is JSON.",
            mend: "Send the header `Content-Type: application/json`. curl's `-d` says that it sends a form, unless you \
                   add `-H 'Content-Type: application/json'`.",
            detail: "send Content-Type: application/json",
            place: Place::Whole,
        },
        Code::CodeTaken => Explanation {
            happened: "Another product, or another tier of the same product, has this code. A code never changes, and is \
                       given to nobody else.",
            mend: "Choose another, or use the one that is there: the list shows it. If it is your own, made by a \
                   request whose answer was lost, send an `Idempotency-Key` from now on: a repeat then gets the first \
                   answer.",
            detail: "another product has this code",
            place: Place::Body("/code"),
        },
        Code::KeyTaken => Explanation {
            happened: "Another feature of the same product has this key. A key never changes, as apps ask for features by \
                       it.",
            mend: "Choose another, or use the feature that is there: `GET /product-features?product_id=…` shows it.",
            detail: "another feature of this product has this key",
            place: Place::Body("/key"),
        },
        Code::EmailTaken => Explanation {
            happened: "Another customer has this e-mail address; upper and lower case make no difference. For a user who \
                       registers: the issuer has not verified that the address is theirs, or another user is that customer \
                       already.",
            mend: "The operator finds the customer with `GET /customers?email=…`, and uses that one or gives it another \
                   address. A user verifies the address at the identity provider, signs in again, and registers again.",
            detail: "another customer has this e-mail address",
            place: Place::Body("/email"),
        },
        Code::SeatLimitReached => Explanation {
            happened: "Every seat of this license key is held by a machine whose lease has not lapsed.",
            mend: "Deactivate a machine that is no longer used: the app can with its token, a customer in the \
                   dashboard, an operator with `POST /license-activations/{id}/deactivate`. Or let the operator give \
                   the license key more seats, with `POST /license-keys/{id}/change`. The seat of a machine that is \
                   gone without a word is free when its lease lapses: `lease_expires_at` in the list of activations \
                   says when.",
            detail: "every seat of this license is taken",
            place: Place::Whole,
        },
        Code::StateConflict => Explanation {
            happened: "The state that the thing is in forbids this. A license key that was revoked can't be suspended, one \
                       that is not suspended can't be reinstated, and a limit can't fall below the seats that are held. \
                       `detail` says what it is.",
            mend: "Read the thing again, and decide by what it is now. The same request gives the same answer until its \
                   state changes.",
            detail: "this license key is revoked: only an active one can be suspended",
            place: Place::Whole,
        },
        Code::CustomerNotRegistered => Explanation {
            happened: "Whoever signed in is not registered as a customer.",
            mend: "`POST /register` with the same bearer token, then ask again.",
            detail: "register first: POST /register",
            place: Place::Whole,
        },
        Code::AlreadyLicensed => Explanation {
            happened: "The customer holds another license key of this product, active or suspended. A claim takes the place \
                       of an expired key, and of no other.",
            mend: "`GET /user/licenses` shows the key that there is. To move it to another pricing tier, ask the \
                   operator: `POST /license-keys/{id}/change`.",
            detail: "another license key of this product is held",
            place: Place::Whole,
        },
        Code::LastAccessKey => Explanation {
            happened: "No other API key that never expires has the scope `access:write`. Without this one, no program could \
                       make API keys any more.",
            mend: "Make another with `access:write` or `*` and no `expires_at`, then delete this one with it.",
            detail: "no other API key that never expires has access:write: make one first",
            place: Place::Whole,
        },
        Code::IdempotencyInProgress => Explanation {
            happened: "A request with the same `Idempotency-Key` is still under way.",
            mend: "Wait a second, then send the same request with the same key: it gets the answer of the first, and \
                   nothing happens twice.",
            detail: "the request of this key is under way: ask again",
            place: Place::Whole,
        },
        Code::VersionConflict => Explanation {
            happened: "Somebody changed it since you read it: its `ETag` is no longer the one in `If-Match`. Nothing was \
                       written.",
            mend: "Read it again, make your change to what is there now, and send that with the new `ETag`.",
            detail: "it is no longer what If-Match names: read it again",
            place: Place::Whole,
        },
        Code::InvalidValue => Explanation {
            happened: "One or several values are missing or not acceptable. `errors` has one entry for each: where it \
                       stands, and what would do.",
            mend: "`pointer` leads to the value in the body, as in `/max_users` or `/feature_ids/0`; `parameter` names \
                   a value of the query, the path or a header. Mend all of them, then send the request again.",
            detail: "1 to 100000, or null for no limit",
            place: Place::Body("/max_users"),
        },
        Code::UnknownField => Explanation {
            happened: "The body or the query has a field that this endpoint does not know. It is refused, as a typo that is \
                       ignored would be found much later.",
            mend: "Correct the name that `pointer` or `parameter` gives, or leave the field out. Answers have fields \
                   that requests don't, such as `id` and `created_at`: leave them out when you send back what you read.",
            detail: "this field is not known here",
            place: Place::Body("/max_user"),
        },
        Code::Immutable => Explanation {
            happened: "`code`, `key` and `product_id` stay what they were at first: tokens, license keys and apps that are \
                       out in the world name them.",
            mend: "Send the value as it is, or leave it out. For another code, make another thing, and make the old one \
                   inactive.",
            detail: "this never changes: it is atlas",
            place: Place::Body("/code"),
        },
        Code::CursorInvalid => Explanation {
            happened: "The `cursor` was not made by this list with these filters, or it was altered.",
            mend: "Send `next_cursor` back as it came, to the same list with the same filters. Without a cursor, a list \
                   begins at its beginning.",
            detail: "the cursor is not one of this list",
            place: Place::Parameter("cursor"),
        },
        Code::TierCycle => Explanation {
            happened: "The tier that is to be included includes this one, directly or through others, so it would include \
                       itself.",
            mend: "Let inclusion run one way, from the larger tier to the smaller. `includes_tier_id` of each tier \
                   shows how it runs now.",
            detail: "this tier includes, directly or not, the one that would include it",
            place: Place::Body("/includes_tier_id"),
        },
        Code::TierOfOtherProduct => Explanation {
            happened: "The pricing tier belongs to another product: a tier includes tiers of its own product only, and a \
                       license key stays with its product.",
            mend: "`GET /pricing-tiers?product_id=…` shows the tiers of the product. For a license of another product, \
                   issue another license key.",
            detail: "this tier belongs to another product",
            place: Place::Body("/tier_id"),
        },
        Code::FeatureOfOtherProduct => Explanation {
            happened: "A feature of another product can't be part of this tier. `errors` says which one it is.",
            mend: "`GET /product-features?product_id=…` shows the features of the product; make the one that is missing \
                   there.",
            detail: "this feature belongs to another product",
            place: Place::Body("/feature_ids/0"),
        },
        Code::PublicKeyInvalid => Explanation {
            happened: "Tokens can't be encrypted to this public key: it is not RSA, has fewer than 2048 or more than 4096 \
                       bits or an exponent other than the usual, is not for encryption by its `use`, `alg` or `key_ops`, \
                       can't be read as a JWK or PEM, or is a private key. `detail` says which.",
            mend: "Send the public part of an RSA key pair of 2048 to 4096 bits, as a JWK or as PEM text (SPKI or PKCS#1). \
                   A private key that was sent is no longer one: make a new pair.",
            detail: "this is not an RSA public key of 2048 to 4096 bits",
            place: Place::Body("/public_key"),
        },
        Code::IdempotencyKeyReused => Explanation {
            happened: "The same caller used this `Idempotency-Key` on the same path within the last 24 hours, for another \
                       body. Nothing was done.",
            mend: "Draw a new key for each thing that is to happen once. Whoever repeats a request sends the same body \
                   with it, byte for byte.",
            detail: "this key was used for another body",
            place: Place::Parameter("Idempotency-Key"),
        },
        Code::RateLimited => Explanation {
            happened: "Too much of one kind in too short a time: license keys, API keys or tokens from one address that do \
                       not hold, as whoever guesses would send them, or activations of one license key. `detail` says \
                       which.",
            mend: "Wait as long as the header `Retry-After` says, in seconds. An app whose token holds is never refused \
                   for its address. Where machines come and go, give each a `machine_id` that lasts, so that it has its \
                   seat still when it comes back.",
            detail: "too many license keys or credentials that do not hold came from this address",
            place: Place::Whole,
        },
        Code::Unavailable => Explanation {
            happened: "Something that Signet needs does not answer in time: its table, the keys that sign, or the identity \
                       provider. Nothing is lost.",
            mend: "Send the request again after as many seconds as the header `Retry-After` says, a POST with the \
                   `Idempotency-Key` that it had. An app goes on with the token that it has.",
            detail: "this can't be answered right now; ask again in a few seconds",
            place: Place::Whole,
        },
        Code::InternalError => Explanation {
            happened: "A fault of Signet's own, and none of the request's.",
            mend: "Send it again. If that does not help, tell the operator the `trace_id`: by it, the log knows the \
                   cause.",
            detail: "something went wrong on our side; nothing is lost, and asking again may help",
            place: Place::Whole,
        },
    }
}
