"""One spelling for every way to write a place; what two parsers could read differently is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.destinations import Destination, DestinationInvalid, check_destination, from_payload
from tests.policies.worlds import CHANNELS, MAILS, URLS

SAME = {
    "https://api.acme.com/v1/forms": [
        "HTTPS://API.ACME.com/v1/forms",
        "https://api.acme.com:443/v1/forms",
        "https://api.acme.com./v1/forms",
        "https://api.acme.com/v1/f%6Frms",
        "https://api.acme.com/%761/forms",
    ],
    "https://acme.com/": ["https://acme.com", "https://ACME.COM:443"],
    "http://acme.com/": ["http://acme.com:80/", "HTTP://acme.com"],
    "https://acme.com:8443/a?b=%2Fc": ["https://acme.com:8443/a?b=%2fc"],
    "https://xn--bcher-kva.example/": [
        "https://bücher.example",
        "https://BÜCHER.example/",
        "https://XN--Bcher-KVA.example",
    ],
    "https://[2001:db8::1]/x": ["https://[2001:DB8:0:0::1]/x", "https://[2001:db8::1]:443/x"],
    "https://10.0.0.1:8080/": ["https://10.0.0.1:8080"],
    "https://acme.com/a%20b%2Bc~": ["https://acme.com/a%20b%2bc%7e"],
    "email:Jane.Doe+x@acme.com": ["EMAIL:Jane.Doe+x@ACME.com"],
    "email:jane@xn--bcher-kva.example": ["email:jane@bücher.example"],
    "slack:#hiring": ["Slack:#Hiring"],
    "slack:@Jane": [],
    "n8n:main/Wf_1-x": ["N8N:main/Wf_1-x"],
    "account:DE89370400440532013000": ["ACCOUNT:DE89370400440532013000"],
    "urn:isbn:0451450523": [],
}
REFUSED = [
    ("", "length"),
    ("https://a.example/" + "x" * 2_048, "length"),
    ("acme.com/v1", "kind"),
    ("//acme.com/v1", "kind"),
    (":value", "kind"),
    ("1x:value", "kind"),
    ("mailto:jane@acme.com", "kind"),
    ("ftp://acme.com/x", "value"),
    ("slack:", "value"),
    ("slack:*", "value"),
    ("slack:ﬁnance", "value"),
    # Userinfo and what looks like it.
    ("https://jobs.example.com@evil.com/", "userinfo"),
    ("https://user:pw@acme.com/", "userinfo"),
    ("https://@acme.com/", "userinfo"),
    ("https://jobs.example.com#@evil.com/", "fragment"),
    ("https://acme.com/#/route", "fragment"),
    ("https://jobs.example.com\\@evil.com/", "backslash"),
    ("https:\\\\acme.com/", "backslash"),
    ("https://acme.com/a\\..\\b", "backslash"),
    # No authority, or none that is plain.
    ("https:acme.com", "url"),
    ("https:/acme.com/", "url"),
    ("https:", "url"),
    ("https://", "empty_host"),
    ("https:///etc/passwd", "empty_host"),
    ("https://?x", "empty_host"),
    ("https://./", "empty_host"),
    ("https://:443/", "empty_host"),
    ("https://acme..com/", "host"),
    ("https://.acme.com/", "host"),
    ("https://acme.com../", "host"),
    ("https://-acme.com/", "host"),
    ("https://acme,com/", "host"),
    ("https://acme%2ecom/", "host"),
    ("https://*.acme.com/", "host"),
    ("https://" + "a" * 64 + ".com/", "host"),
    ("https://" + "a." * 130 + "com/", "host"),
    # Numbers that some parsers take for an address.
    ("https://127.1/", "host"),
    ("https://2130706433/", "host"),
    ("https://0x7f.0.0.1/", "host"),
    ("https://0x7f000001/", "host"),
    ("https://0177.0.0.1/", "host"),
    ("https://256.0.0.1/", "host"),
    ("https://1.2.3.4.5/", "host"),
    ("https://acme.com.1/", "host"),
    ("https://[::1/", "port"),
    ("https://[fe80::1%25eth0]/", "host"),
    ("https://[::1]x/", "host"),
    # Ports.
    ("https://acme.com:/", "port"),
    ("https://acme.com:0/", "port"),
    ("https://acme.com:0443/", "port"),
    ("https://acme.com:65536/", "port"),
    ("https://acme.com:44x/", "port"),
    ("https://acme.com:443:443/", "port"),
    ("https://acme.com:٤٤٣/", "port"),
    # Characters that stand for others, or are not seen.
    ("https://ａcme.com/", "host"),
    ("https://acme。com/", "host"),
    ("https://acme․com/", "host"),
    ("https://ⓐcme.com/", "host"),
    ("https://faß.de/", "host"),
    ("https://xn--a-ecp.ru/", "host"),
    ("https://xn--acme.com/", "host"),
    ("https://xn--/", "host"),
    ("https://ab--cd.com/", "host"),
    ("https://ac\u200dme.com/", "hidden_character"),
    ("https://ac\u00adme.com/", "hidden_character"),
    ("https://acme.com/\u202egpj", "hidden_character"),
    ("slack:#hir\u200bing", "hidden_character"),
    ("slack:#hiring\ufe0f", "hidden_character"),
    ("slack:#hiring\u3164", "hidden_character"),
    ("slack:#a\u00a0b", "hidden_character"),
    ("slack:#a b", "control_character"),
    ("https://acme.com/ x", "control_character"),
    (" https://acme.com/", "control_character"),
    ("https://acme.com/\n", "control_character"),
    ("https://ac\tme.com/", "control_character"),
    ("https://acme.com/\x00", "control_character"),
    ("https://acme.com/ü", "non_ascii"),
    ("https://acme.com/?ü", "non_ascii"),
    # Paths.
    ("https://acme.com/v1/../admin", "dot_segment"),
    ("https://acme.com/./x", "dot_segment"),
    ("https://acme.com/v1/..", "dot_segment"),
    ("https://acme.com/v1/%2e%2e/admin", "dot_segment"),
    ("https://acme.com/v1/.%2E/admin", "dot_segment"),
    ("https://acme.com/v1/%252e%252e/admin", "dot_segment"),
    ("https://acme.com/v1/%25252e./admin", "dot_segment"),
    ("https://acme.com/v1/..;/admin", "dot_segment"),
    ("https://acme.com/v1/%2e%2e%3b/admin", "dot_segment"),
    ("https://acme.com/v1%2fadmin", "encoded_slash"),
    ("https://acme.com/v1%2Fadmin", "encoded_slash"),
    ("https://acme.com/v1%252fadmin", "encoded_slash"),
    ("https://acme.com/v1%5cadmin", "encoded_slash"),
    ("https://acme.com/v1%255c..%255cadmin", "encoded_slash"),
    ("https://acme.com/v1%EF%BC%8Fadmin", "encoded_slash"),
    ("https://acme.com/v1/%c0%ae%c0%ae/", "path"),
    ("https://acme.com/%ff", "path"),
    ("https://acme.com/%0d%0aX:1", "control_character"),
    ("https://acme.com/x%00", "control_character"),
    ("https://acme.com//admin", "empty_segment"),
    ("https://acme.com/a//b", "empty_segment"),
    ("https://acme.com/%", "path"),
    ("https://acme.com/%zz", "path"),
    ("https://acme.com/<b>", "path"),
    ('https://acme.com/?"', "query"),
    ("https://acme.com" + "/a" * 65, "too_deep"),
    # Addresses.
    ("email:jane", "email"),
    ("email:@acme.com", "email"),
    ("email:jane@", "empty_host"),
    ("email:jane@acme.com,bob@acme.com", "email"),
    ("email:jane@acme.com;bob@acme.com", "email"),
    ("email:<jane@acme.com>", "email"),
    ('email:"jane"@acme.com', "email"),
    ("email:Jane Doe <jane@acme.com>", "control_character"),
    ("email:jane@acme.com\nBcc:x@evil.com", "control_character"),
    ("email:jane@evil.com@acme.com", "email"),
    ("email:jane%evil.com@acme.com", "email"),
    ("email:evil.com!jane@acme.com", "email"),
    ("email:.jane@acme.com", "email"),
    ("email:ja..ne@acme.com", "email"),
    ("email:jäne@acme.com", "email"),
    ("email:*@acme.com", "email"),
    ("email:jane@[127.0.0.1]", "host"),
    ("email:jane@127.0.0.1", "email"),
    ("email:jane@acme.com.", "email"),
    ("email:jane@acme..com", "host"),
    ("email:" + "j" * 65 + "@acme.com", "email"),
    ("email:email:jane@acme.com", "email"),
    ("n8n:main", "n8n"),
    ("n8n:main/a/b", "n8n"),
    ("n8n:/a", "n8n"),
]  # fmt: skip


@pytest.mark.parametrize(("normal", "spellings"), SAME.items())
def test_every_spelling_becomes_the_normal_one(normal: str, spellings: list[str]) -> None:
    assert [check_destination(text).text for text in [normal, *spellings]] == [normal] * (len(spellings) + 1)


@pytest.mark.parametrize(("text", "code"), REFUSED, ids=lambda value: ascii(value)[:60])
def test_doubtful_spellings_are_refused(text: str, code: str) -> None:
    with pytest.raises(DestinationInvalid) as refused:
        check_destination(text)
    assert refused.value.code == code
    assert refused.value.detail
    assert refused.value.status == 422


def test_a_refusal_never_repeats_hidden_text() -> None:
    with pytest.raises(DestinationInvalid) as refused:
        check_destination("https://acme.com/\u202egpj")
    assert refused.value.detail.isascii()


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("jane@ACME.com", "email", "email:jane@acme.com"),
        ("DE1", "account", "account:DE1"),
        ("#Hiring", "slack", "slack:#hiring"),
        ("https://acme.com", None, "https://acme.com/"),
    ],
)
def test_bare_values_get_their_kind(value: str, kind: str | None, text: str) -> None:
    assert from_payload(value, kind).text == text


@pytest.mark.parametrize(
    "value", ["Jane <jane@acme.com>", "a@acme.com, b@acme.com", "a@acme.com\n", "", "email:a@acme.com"]
)
def test_a_bare_address_is_one_bare_address(value: str) -> None:
    with pytest.raises(DestinationInvalid):
        from_payload(value, "email")


def test_case_of_a_local_part_is_kept_and_does_not_matter() -> None:
    one, other = check_destination("email:Jane@acme.com"), check_destination("email:jane@acme.com")
    assert (one.text, one.identity) == ("email:Jane@acme.com", other.identity)


@given(st.sampled_from([*URLS, *CHANNELS, *(f"email:{mail}" for mail in MAILS)]))
def test_the_normal_spelling_is_its_own(text: str) -> None:
    once = check_destination(text)
    assert check_destination(once.text) == once


@given(st.text(st.sampled_from("htps:/.@%2eE5cCaüß*?#[]0x17;\\ \u200b"), max_size=30))
def test_any_text_is_refused_or_stable(rest: str) -> None:
    for text in (rest, f"https://{rest}", f"https://acme.com/{rest}", f"email:{rest}@acme.com", f"email:a@{rest}"):
        try:
            once = check_destination(text)
        except DestinationInvalid:
            continue
        assert isinstance(once, Destination)
        assert check_destination(once.text) == once
