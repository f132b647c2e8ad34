#!/usr/bin/env python3
"""What Signet costs on AWS: the tables of load.md. Put your own numbers in here."""

# List prices in dollars, us-east-1, on demand, without free tiers and volume discounts but the API's; as of 2025.
API_CALL, API_CALL_BEYOND, API_BEYOND = 1.00 / 1e6, 0.90 / 1e6, 300e6
LAMBDA_CALL, GB_SECOND = 0.20 / 1e6, 0.0000166667
READ_UNIT, WRITE_UNIT = 0.125 / 1e6, 0.625 / 1e6
SIGNATURE = 0.03 / 10_000
LOG_GB, OUT_GB, TABLE_GB = 0.50, 0.09, 0.25 + 0.20
HOURS = 730

# What an operation takes: units of DynamoDB, signatures, milliseconds in a function of so many GB, bytes of log
# (the function's line, Lambda's three, the API's), bytes of answer. The milliseconds are a guess: see the metric Duration.
OPERATIONS = {
    "heartbeat": dict(reads=1, writes=1, signatures=1, ms=15, gb=0.5, log=1250, out=2200),
    "heartbeat, token young": dict(reads=1, writes=1, signatures=0, ms=8, gb=0.5, log=1200, out=2200),
    "validation of a token": dict(reads=2, writes=0, signatures=0, ms=8, gb=0.5, log=1000, out=1800),
    "validation of a license key": dict(reads=2, writes=0, signatures=0, ms=6, gb=0.5, log=1000, out=1800),
    "activation of a new machine": dict(reads=4, writes=8, signatures=1, ms=35, gb=0.5, log=1150, out=2700),
    "activation again": dict(reads=3, writes=1, signatures=1, ms=20, gb=0.5, log=1150, out=2700),
    "deactivation": dict(reads=1, writes=7, signatures=0, ms=15, gb=0.5, log=1150, out=1200),
    "license key issued": dict(reads=4, writes=16, signatures=1, ms=40, gb=0.5, log=1150, out=2500),
}

# A month of an installation that nobody uses.
STANDING = {
    "KMS keys: root, sealing, current, next": 4 * 1.00,
    "secret": 0.40,
    "alarms": 18 * 0.10,
    "dashboard": 3.00,
    "rotation, every two minutes: calls, reads, log": 0.02,
    "statistics, every hour, of no license keys": 0.03,
}
METRIC = 0.30


def parts(one):
    """The price of a million, by service."""
    million = 1e6
    return {
        "API": million * API_CALL,
        "Lambda": million * (LAMBDA_CALL + one["gb"] * one["ms"] / 1000 * GB_SECOND),
        "DynamoDB": million * (one["reads"] * READ_UNIT + one["writes"] * WRITE_UNIT),
        "KMS": million * one["signatures"] * SIGNATURE,
        "logs": million * one["log"] / 1e9 * LOG_GB,
        "traffic": million * one["out"] / 1e9 * OUT_GB,
    }


def heartbeats(machines, interval):
    """In a month, of machines that never rest."""
    return machines * HOURS * 3600 / interval


def month(machines, interval, signed=1.0):
    """The price of a month of machines, of whose heartbeats so many are signed; without what stands anyway."""
    count = heartbeats(machines, interval)
    fresh, young = (sum(parts(OPERATIONS[name]).values()) / 1e6 for name in ["heartbeat", "heartbeat, token young"])
    discount = max(0, count - API_BEYOND) * (API_CALL - API_CALL_BEYOND)
    table = machines * 2.2e3 / 1e9 * TABLE_GB
    return count * (signed * fresh + (1 - signed) * young) - discount + table


def row(cells):
    return "| " + " | ".join(cells) + " |"


def tables():
    names = list(parts(OPERATIONS["heartbeat"]))
    yield row(["a million of", *names, "together"])
    yield row(["---", *["---:"] * (len(names) + 1)])
    for name, one in OPERATIONS.items():
        prices = parts(one)
        yield row([name, *[f"{prices[each]:.2f}" for each in names], f"**{sum(prices.values()):.2f}**"])
    yield ""
    yield row(["machines", "heartbeats a month, every 15 min", "dollars", "every 15 min, every second one signed", "every 30 min"])
    yield row(["---:"] * 5)
    for machines in [100, 10_000, 1_000_000]:
        prices = [month(machines, 900), month(machines, 900, 0.5), month(machines, 1800)]
        yield row([f"{machines:,}", f"{heartbeats(machines, 900):,.0f}", *[f"{price:,.2f}" if price < 100 else f"{price:,.0f}" for price in prices]])
    yield ""
    yield row(["standing, a month", "dollars"])
    yield row(["---", "---:"])
    for name, price in STANDING.items():
        yield row([name, f"{price:.2f}"])
    yield row(["together", f"**{sum(STANDING.values()):.2f}**"])


if __name__ == "__main__":
    print("\n".join(tables()))
