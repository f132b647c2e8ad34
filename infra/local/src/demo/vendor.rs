//! The demo data: a fictitious vendor's catalog and customers.

use super::plan::{
    CustomerPlan, FeaturePlan, LicensePlan, LimitOverride, MachinePlan, ProductPlan, Revocation, TierPlan,
    TokenSettings,
};

/// Token settings of a desktop app that is often offline.
const DESKTOP: TokenSettings = TokenSettings {
    token_ttl: 7 * DAY_SECONDS,
    heartbeat_interval: DAY_SECONDS,
    offline_grace: 3 * DAY_SECONDS,
    expiry_grace: 7 * DAY_SECONDS,
    max_borrow: 30 * DAY_SECONDS,
    seat_unit: "machine",
};
/// Token settings of a server that is always online.
const SERVER: TokenSettings = TokenSettings {
    token_ttl: 3600,
    heartbeat_interval: 900,
    offline_grace: 0,
    expiry_grace: 0,
    max_borrow: 0,
    seat_unit: "machine",
};
/// Token settings of a floating license, whose seats are held by running processes.
const FLOATING: TokenSettings =
    TokenSettings { token_ttl: 600, heartbeat_interval: 200, seat_unit: "process", ..SERVER };
/// A day, in seconds.
const DAY_SECONDS: u32 = 24 * 3600;
/// A day, in minutes.
const DAY_MINUTES: i64 = 24 * 60;

const fn feature(key: &'static str, name: &'static str) -> FeaturePlan {
    FeaturePlan { key, name, unit: None, display_only: false }
}

const fn limit(key: &'static str, name: &'static str, unit: &'static str) -> FeaturePlan {
    FeaturePlan { key, name, unit: Some(unit), display_only: false }
}

const fn display_only(key: &'static str, name: &'static str) -> FeaturePlan {
    FeaturePlan { key, name, unit: None, display_only: true }
}

const fn machine(
    id: &'static str,
    name: &'static str,
    ip: &'static str,
    activated_days_ago: i64,
    seen_minutes_ago: i64,
) -> MachinePlan {
    let (app_version, os) = ("5.2.0", "Windows 11");
    MachinePlan { id, name, ip, activated_days_ago, seen_minutes_ago, app_version, os }
}

const fn server(
    id: &'static str,
    name: &'static str,
    ip: &'static str,
    activated_days_ago: i64,
    seen_minutes_ago: i64,
) -> MachinePlan {
    let (app_version, os) = ("2.14.3", "Ubuntu 24.04");
    MachinePlan { app_version, os, ..machine(id, name, ip, activated_days_ago, seen_minutes_ago) }
}

const fn license(
    product: &'static str,
    tier: &'static str,
    issued_days_ago: i64,
    machines: &'static [MachinePlan],
) -> LicensePlan {
    LicensePlan { product, tier, issued_days_ago, expires_in_days: None, revoked: None, overridden: None, machines }
}

const fn customer(
    name: &'static str,
    email: &'static str,
    company: Option<&'static str>,
    created_days_ago: i64,
    licenses: &'static [LicensePlan],
) -> CustomerPlan {
    CustomerPlan { name, email, company, created_days_ago, licenses }
}

/// The products.
pub(super) const PRODUCTS: [ProductPlan; 2] = [
    ProductPlan {
        code: "lumen",
        name: "Lumen",
        description: "Organize, develop and print photographs.",
        features: &[
            feature("import.raw", "Raw import"),
            feature("edit.batch", "Batch edits"),
            feature("export.pdf", "PDF contact sheets"),
            feature("library.shared", "Shared libraries"),
            feature("api.access", "Scripting API"),
            display_only("support.email", "Email support"),
            display_only("support.phone", "Phone support"),
        ],
        tiers: &[
            TierPlan {
                code: "trial",
                name: "Trial",
                includes: None,
                features: &["import.raw"],
                limits: &[],
                monthly_price: 0,
                billing_period: "monthly",
                max_users: Some(1),
                is_claimable: true,
                tokens: DESKTOP,
            },
            TierPlan {
                code: "personal",
                name: "Personal",
                includes: Some("trial"),
                features: &["edit.batch", "support.email"],
                limits: &[],
                monthly_price: 900,
                billing_period: "annual",
                max_users: Some(2),
                is_claimable: false,
                tokens: DESKTOP,
            },
            TierPlan {
                code: "studio",
                name: "Studio",
                includes: Some("personal"),
                features: &["export.pdf", "library.shared"],
                limits: &[],
                monthly_price: 3900,
                billing_period: "annual",
                max_users: Some(5),
                is_claimable: false,
                tokens: DESKTOP,
            },
            TierPlan {
                code: "agency",
                name: "Agency",
                includes: Some("studio"),
                features: &["api.access", "support.phone"],
                limits: &[],
                monthly_price: 24_900,
                billing_period: "annual",
                max_users: None,
                is_claimable: false,
                tokens: DESKTOP,
            },
            TierPlan {
                code: "floating",
                name: "Floating",
                includes: Some("studio"),
                features: &[],
                limits: &[],
                monthly_price: 9900,
                billing_period: "annual",
                max_users: Some(10),
                is_claimable: false,
                tokens: FLOATING,
            },
        ],
    },
    ProductPlan {
        code: "harbor",
        name: "Harbor",
        description: "Build and ship software on your own machines.",
        features: &[
            feature("build.parallel", "Parallel builds"),
            feature("cache.remote", "Remote cache"),
            limit("cache.size", "Cache size", "GB"),
            feature("audit.log", "Audit log"),
            feature("sign-in.sso", "Single sign-on"),
            display_only("support.24h", "24/7 support"),
        ],
        tiers: &[
            TierPlan {
                code: "team",
                name: "Team",
                includes: None,
                features: &["build.parallel"],
                limits: &[],
                monthly_price: 4900,
                billing_period: "monthly",
                max_users: Some(10),
                is_claimable: false,
                tokens: SERVER,
            },
            TierPlan {
                code: "business",
                name: "Business",
                includes: Some("team"),
                features: &["cache.remote", "audit.log"],
                limits: &[("cache.size", Some(50))],
                monthly_price: 19_900,
                billing_period: "annual",
                max_users: Some(50),
                is_claimable: false,
                tokens: SERVER,
            },
        ],
    },
];

/// A tier of the second product that is created last: if it exists, the demo data is complete. Codes can't change and
/// tiers can't be deleted, so the demo data is not added twice.
pub(super) const LAST_TIER: TierPlan = TierPlan {
    code: "fleet",
    name: "Fleet",
    includes: Some("business"),
    features: &["sign-in.sso", "support.24h"],
    limits: &[("cache.size", None)],
    monthly_price: 99_900,
    billing_period: "annual",
    max_users: None,
    is_claimable: false,
    tokens: SERVER,
};

/// The license key printed at start: email address of the customer and code of the product.
pub(super) const SHOWN_KEY: (&str, &str) = ("gita.moreau@example.com", "harbor");

/// The customers.
pub(super) const CUSTOMERS: [CustomerPlan; 8] = [
    customer(
        "Ada Quill",
        "ada.quill@example.com",
        Some("Quill & Daughters"),
        410,
        &[
            license(
                "lumen",
                "personal",
                400,
                &[machine("quill-desk", "Front desk", "192.0.2.10", 400, 60 * DAY_MINUTES)],
            ),
            // An upgrade, which supersedes the key above.
            license(
                "lumen",
                "studio",
                58,
                &[
                    machine("quill-desk", "Front desk", "192.0.2.10", 58, 95),
                    machine("quill-dark-room", "Dark room", "192.0.2.11", 57, 300),
                    machine("quill-laptop", "Ada's laptop", "198.51.100.7", 50, 26 * DAY_MINUTES),
                ],
            ),
        ],
    ),
    customer(
        "Bo Tamsin",
        "bo.tamsin@example.com",
        None,
        45,
        &[LicensePlan {
            revoked: Some(Revocation { days_ago: 20, reason: "refund" }),
            ..license("lumen", "personal", 44, &[machine("bo-tower", "Tower", "203.0.113.5", 44, 21 * DAY_MINUTES)])
        }],
    ),
    customer(
        "Cleo Ferrand",
        "cleo.ferrand@example.com",
        Some("Northlight Pictures"),
        300,
        &[license(
            "lumen",
            "agency",
            290,
            &[
                machine("northlight-01", "Retouching 1", "192.0.2.81", 290, 40),
                machine("northlight-02", "Retouching 2", "192.0.2.82", 290, 45),
                machine("northlight-03", "Retouching 3", "192.0.2.83", 120, 2 * DAY_MINUTES),
                machine("northlight-04", "Archive", "192.0.2.84", 90, 33 * DAY_MINUTES),
                machine("northlight-05", "Print room", "192.0.2.85", 30, 15),
                machine("northlight-06", "Trade fair", "203.0.113.60", 70, 68 * DAY_MINUTES),
            ],
        )],
    ),
    customer(
        "Dov Okafor",
        "dov.okafor@example.com",
        Some("Okafor Freight"),
        200,
        &[LicensePlan {
            expires_in_days: Some(-12),
            ..license(
                "harbor",
                "team",
                195,
                &[
                    server("freight-ci-1", "ci-1", "198.51.100.21", 195, 12 * DAY_MINUTES + 30),
                    server("freight-ci-2", "ci-2", "198.51.100.22", 150, 12 * DAY_MINUTES + 35),
                ],
            )
        }],
    ),
    customer(
        "Elin Strand",
        "elin.strand@example.com",
        Some("Fjord Instruments"),
        150,
        &[
            LicensePlan {
                overridden: Some(LimitOverride {
                    feature: "cache.size",
                    limit: 200,
                    ends_in_days: 45,
                    note: "Larger cache until the renewal",
                }),
                ..license(
                    "harbor",
                    "business",
                    140,
                    &[
                        server("fjord-build-01", "build-01", "203.0.113.101", 140, 3),
                        server("fjord-build-02", "build-02", "203.0.113.102", 140, 5),
                        server("fjord-build-03", "build-03", "203.0.113.103", 140, 8),
                        server("fjord-build-04", "build-04", "203.0.113.104", 88, 11),
                        server("fjord-build-05", "build-05", "203.0.113.105", 88, 9 * DAY_MINUTES),
                        server("fjord-nightly", "nightly", "203.0.113.110", 61, 14),
                    ],
                )
            },
            license("lumen", "studio", 25, &[machine("fjord-marketing", "Marketing", "203.0.113.140", 25, 130)]),
        ],
    ),
    customer(
        "Femi Arslan",
        "femi.arslan@example.com",
        None,
        6,
        &[license("lumen", "trial", 6, &[machine("femi-laptop", "Laptop", "198.51.100.90", 6, 180)])],
    ),
    customer(
        "Gita Moreau",
        "gita.moreau@example.com",
        Some("Moreau & Lind"),
        20,
        &[license(
            "harbor",
            "team",
            18,
            &[
                server("moreau-ci", "ci", "192.0.2.200", 18, 6),
                server("moreau-release", "release", "192.0.2.201", 17, 4 * DAY_MINUTES),
            ],
        )],
    ),
    customer("Hana Brandt", "hana.brandt@example.com", Some("Brandt Verlag"), 2, &[]),
];
