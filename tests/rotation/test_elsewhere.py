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
def test_what_names_no_public_site_is_refused_without_repeating_it(typed):
    with pytest.raises(elsewhere.SiteInvalid) as refused:
        elsewhere.host_name(typed)
    assert not typed.strip() or typed not in str(refused.value)
