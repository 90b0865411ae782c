"""Tests of the addresses of downloads: which are allowed, and what of them is shown."""

import pytest

from gensr_pref.errors import InputError
from gensr_pref.weights.addresses import require_safe, without_credentials
from tests.refusals import raises, require_absent


@pytest.mark.parametrize(
    "url",
    ["https://host/file", "http://localhost:80/file", "http://127.0.0.1/file", "http://[::1]/a"],
)
def test_https_and_http_on_this_machine_are_allowed(url):
    require_safe(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://host/secret", "unsafe"),
        ("ftp://host/secret", "unsafe"),
        ("https://host:0/secret", "invalid"),
        ("https://host:port/secret", "invalid"),
        ("https:///secret", "invalid"),
        ("https://host/a secret", "invalid"),
    ],
)
def test_other_addresses_are_refused(url, problem):
    with raises(InputError, problem=problem):
        require_safe(url)


def test_an_address_is_shown_without_its_secrets():
    url = "https://name:word@host:8000/path/file?token=query#part"
    assert without_credentials(url) == "https://host:8000/path/file"
    with raises(InputError, path="http://host/file", problem="unsafe") as caught:
        require_safe("http://name:word@host/file?token=query")
    require_absent(caught.value, "word", "query")
