import pytest

from portal.rotation import elsewhere


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("example.com", "example.com"),
        (" Shop.Example.COM ", "shop.example.com"),
        ("https://www.example.com/login?next=/#top", "www.example.com"),
        ("HTTP://example.com", "example.com"),
        ("example.com.", "example.com"),
        ("müller.de", "xn--mller-kva.de"),
        ("straße.de", "xn--strae-oqa.de"),
        ("例え.jp", "xn--r8jz45g.jp"),
    ],
)
def test_a_typed_site_becomes_its_host_name(typed, host):
    assert elsewhere.host_name(typed) == host
    assert elsewhere.change_address(host) == f"https://{host}/.well-known/change-password"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "my bank",
        "localhost",
        "printer.local",
        "router.lan",
        "service.internal",
        "127.0.0.1",
        "１２７.0.0.1",
        "2130706433",
        "0x7f.1",
        "name.0x7f",
        "http://[::1]/",
        "example.com:8443",
        "user@example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.com",
        "//example.com",
        "example.com\\@other.example",
        'exa"mple.com',
        "<script>.com",
        "example.com\r\nSet-Cookie",
        "exa\0mple.com",
        "-example.com",
        "example..com",
        "xn--a.com",
        "a" * 64 + ".com",
        "a." * 500 + "com",
        "x" * 1_000_000,
    ],
)
def test_what_names_no_public_site_gets_no_link(typed):
    assert elsewhere.host_name(typed) is None


@pytest.mark.parametrize(
    ("typed", "listed"),
    [
        ("https://Shop.example/login", "shop.example"),
        ("  The  corner\tshop ", "The corner shop"),
        ("Кафе Ёлка 喫茶店", "Кафе Ёлка 喫茶店"),
        ("line\r\nbreak\0and\u202ereversed", "line break and reversed"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("x" * 60, "x" * 60),
    ],
)
def test_any_words_can_be_listed(typed, listed):
    assert elsewhere.entry(typed) == listed


@pytest.mark.parametrize("typed", ["", "   ", "\0\n", "x" * 61, "x" * 1_000_000])
def test_nothing_or_too_much_is_refused_without_repeating_it(typed):
    with pytest.raises(elsewhere.SiteInvalid) as refused:
        elsewhere.entry(typed)
    assert not typed.strip() or typed not in str(refused.value)
