"""Facts that the tests read from the Rust source, so that the template cannot drift from it. Each pattern must match exactly
once in the crate `shared`, wherever the code is."""

import json
import re
from functools import cache

from cloudformation import ROOT


@cache
def sources():
    """The files of the crate `shared`, without unit tests."""
    files = sorted((ROOT / "shared/src").rglob("*.rs"))
    return {file: file.read_text().split("#[cfg(test)]\nmod tests {")[0] for file in files}


def find(pattern, flags=0):
    """The match of a pattern in the whole crate."""
    matches = [match for text in sources().values() for match in re.finditer(pattern, text, flags)]
    assert len(matches) == 1, f"{len(matches)} matches for {pattern}"
    return matches[0]


def environment_variables():
    """The environment variables that the functions read, and those of them that are required."""
    code = sources()[ROOT / "shared/src/app/configuration.rs"]
    constants = dict(re.findall(r'const (\w+): &str = "(SIGNET_\w+)"', code))
    variables = {"SIGNET_TABLE"} | set(re.findall(r'"((?:SIGNET|AWS_ENDPOINT_URL)\w*)"', code))
    required = re.findall(r'\.required\("?(\w+)"?\)', code)
    return variables, {constants.get(name, name) for name in required} - {"AWS_REGION"}


def request_timeout_seconds():
    return int(find(r"request: Duration::from_secs\((\d+)\)")[1])


def origin_secret_header():
    """The header in which CloudFront sends the origin secret."""
    return find(r'const ORIGIN_SECRET: HeaderName = HeaderName::from_static\("([^"]+)"\)')[1]


def viewer_address_header():
    """The header in which CloudFront sends the address of the client."""
    return find(r'const VIEWER_ADDRESS: HeaderName = HeaderName::from_static\("([^"]+)"\)')[1]


def table_indexes():
    """The indexes of the table: by name, the key attributes and the other attributes (None: all of the item)."""
    names = {
        name: re.findall(r'"(\w+)"', find(rf"const {name}: \[&str; \d+\] = \[([^\]]+)\]")[1]) for name in ["LICENSE", "CUSTOMER"]
    }
    attributes = {
        "All": None,
        "None": [],
        "License": names["LICENSE"],
        "LicenseAndCustomer": names["LICENSE"] + names["CUSTOMER"],
    }
    source = sources()[ROOT / "shared/src/store/indexes.rs"]
    found = re.findall(r'index\("(GSI\d)", \["(\w+)", "(\w+)"\], (\w+)\)', source)
    return {name: ([partition, sort], attributes[kind]) for name, partition, sort, kind in found}


def ttl_attribute():
    return find(r'TTL_ATTRIBUTE: &str = "(\w+)"')[1]


def partition_keys():
    """The partition keys of the table; those that end with # are prefixes."""
    keys = sources()[ROOT / "shared/src/store/keys.rs"]
    found = set(re.findall(r'/// The partition key [^\n]*\n(?:///[^\n]*\n)*pub const \w+: &str = "(\w+)"', keys))
    found |= set(re.findall(r'format!\("([A-Z_]+#)\{', keys))
    found |= {f"{kind}#" for kind in re.findall(r'hashed\("([A-Z_]+)"', keys)}
    found |= set(re.findall(r'Key::new\("([A-Z_]+)", "', keys))
    # The events of each type of resource, apart from those of license keys, have partitions of their own.
    types = find(r"impl SubjectType \{(.*?)\n\}", re.DOTALL)[1]
    found |= {f"HISTORY#{kind}#" for kind in re.findall(r'Self::\w+ => "(\w+)"', types) if kind not in {"license", "activation"}}
    sort_keys_and_index_keys = {
        *["HISTORY#", "PRODUCT#", "TIER#", "FEATURE#", "ENTRY_METADATA#", "EVENT#", "EVENTS#", "STATUS#", "MACHINE#", "IMPORTED#"],
        *["TAG#", "THRESHOLD#", "WEBHOOK_DUE#"],
    }
    return found - sort_keys_and_index_keys


def updated_attributes(attribute):
    """The attributes in the DynamoDB expressions of the store method that sets `attribute`."""
    method = re.escape(f'.set("{attribute}"')
    body = find(rf"\n    pub async fn (?:(?!\n    \}}\n).)*{method}(?:(?!\n    \}}\n).)*", re.DOTALL)[0]
    expressions = " ".join(re.findall(r'"([^"]*)"', body))
    return set(re.findall(r"(?<![:\w])[a-z_]+", expressions)) - {"attribute_exists", "attribute_not_exists"}


def transactions():
    """The store methods that write a transaction."""
    methods = [
        (name, body)
        for file, text in sources().items()
        if file.is_relative_to(ROOT / "shared/src/store")
        for name, body in re.findall(r"\n    (?:pub(?:\(super\))? )?async fn (\w+)(.*?)\n    \}\n", text, re.DOTALL)
    ]
    writes = {name for name, body in methods if ".commit(" in body or ".commit_with_completion(" in body}
    return writes - {"commit_with_completion"}


def metrics():
    """The names of the metrics that the functions log."""
    return set(re.findall(r'Self::\w+ => "(\w+)"', find(r"impl Metric \{(.*?)\n\}", re.DOTALL)[1]))


def decryption_error():
    """The message of the error that a sealed value cannot be decrypted."""
    return find(r'#\[error\("([^"{]+)"\)\]\s+CannotOpen')[1]


def stream_patterns():
    """The sort key prefixes of the items whose records `webhooks-feed` reads, and the status of deliveries that are pending."""
    keys = sources()[ROOT / "shared/src/store/keys.rs"]
    event, delivery = (re.search(rf'const {name}: &str = "([A-Z]+#)"', keys)[1] for name in ["EVENT", "WEBHOOK_DELIVERY"])
    return event, delivery, find(r'Self::Pending => "(\w+)"')[1]


def seconds_of_sender():
    """The seconds in which an invocation of `webhooks-sender` begins attempts, and the timeout of an attempt."""
    code = "".join(file.read_text() for file in sorted((ROOT / "functions/webhooks-sender/src").glob("*.rs")))
    values = [re.search(rf"const {name}: Duration = Duration::from_secs\((\d+)\)", code) for name in ["MAX_SENDING", "DEFAULT_TIMEOUT"]]
    return tuple(int(value[1]) for value in values)


def max_message_delay_seconds():
    return 60 * int(find(r"const MAX_DELAY: SignedDuration = SignedDuration::from_mins\((\d+)\)")[1])


def look_ahead_seconds():
    """How far ahead the schedule of `webhooks-feed` looks for deliveries that become due."""
    code = (ROOT / "functions/webhooks-feed/src/invocation.rs").read_text()
    return int(re.search(r"const LOOK_AHEAD: SignedDuration = SignedDuration::from_secs\((\d+)\)", code)[1])
