"""Requests to the API of the installation under test, as an operator with the API key of the environment variable API_KEY."""

import json
import os
import time
import urllib.error
import urllib.request

from installation import BASE, IS_AWS

operator = {"X-Api-Key": os.environ.get("API_KEY", "")}
http = urllib.request.build_opener() if IS_AWS else urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Response:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    def expect(self, status, code=None):
        assert self.status == status, (self.status, self.text)
        body = json.loads(self.text) if self.text.startswith("{") else self.text
        assert code is None or body["code"] == code, body
        return body


def send(method, path, body=None, headers=()):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **dict(headers)}
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    try:
        with http.open(request, timeout=60) as response:
            return Response(response.status, response.headers, response.read().decode())
    except urllib.error.HTTPError as error:
        return Response(error.code, error.headers, error.read().decode())


def get(path, headers=()):
    return send("GET", path, headers=headers)


def post(path, body, headers=()):
    return send("POST", "/api/v1.0/" + path, body, headers)


def repeat(seconds, action, is_done):
    """Repeats an action until it is done, at most for some time, and returns its last result."""
    deadline = time.time() + seconds
    while not is_done(result := action()) and time.time() < deadline:
        time.sleep(0.5)
    return result
