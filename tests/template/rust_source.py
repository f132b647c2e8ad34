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
    found = set(re.findall(r'const (?:CATALOG|API_KEYS|KEYRING|STATISTICS|ERASURES): &str = "(\w+)"', keys))
    found |= set(re.findall(r'format!\("([A-Z_]+#)\{', keys))
    found |= {f"{kind}#" for kind in re.findall(r'hashed\("([A-Z_]+)"', keys)}
    found |= set(re.findall(r'Key::new\("([A-Z]+)", "', keys))
    sort_keys_and_index_keys = {"PRODUCT#", "TIER#", "FEATURE#", "ENTRY_METADATA#", "EVENT#", "EVENTS#", "STATUS#", "MACHINE#", "IMPORTED#", "TAG#"}
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
