"""Tests that the dashboard of an installation on AWS leads to the sign-in page of its user pool.

Usage: check_sign_in.py. Requires the environment variables STACK and AWS_REGION, and AWS credentials.
"""

import sys
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from urllib.parse import parse_qs, urlsplit

sys.dont_write_bytecode = True
from installation import OUTPUTS  # noqa: E402 (it would write bytecode before)

# The domain of a new user pool can take minutes to be found in DNS.
DEADLINE = time.time() + 300


def open_dashboard():
    """Follows the redirects from the dashboard's URL as a browser does, and returns the last URL and the page."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with browser.open(OUTPUTS["SignInUrl"], timeout=30) as response:
        return urlsplit(response.url), response.read().decode()


while True:
    try:
        url, page = open_dashboard()
        break
    except urllib.error.URLError as error:
        if time.time() > DEADLINE:
            raise
        print(f"{OUTPUTS['SignInUrl']}: {error}, again in ten seconds")
        time.sleep(10)
assert url.hostname.endswith(".amazoncognito.com") and url.path == "/login", url
assert parse_qs(url.query)["client_id"] == [OUTPUTS["SignInClient"]], url
assert "<html" in page, page
print("sign-in page: ok")
