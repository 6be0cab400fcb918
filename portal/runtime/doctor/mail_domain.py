"""Check the sender's domain: whether receivers can tell that mail from it is genuine."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from portal.core.settings import Settings
from portal.runtime.doctor.findings import NOTE, OK, Finding, judged
from portal.runtime.doctor.names import Names, NotAnswered

# RFC 7208, section 4.6.4: a receiver that needs more gives up, and the record counts as broken.
MAX_LOOKUPS = 10
_LOOKS_UP = re.compile(r"[-+~?]?(?:include:|exists:|redirect=|(?:a|mx|ptr)(?:$|[:/]))", re.IGNORECASE)
_LEADS_ON = re.compile(r"[-+~?]?(?:include:|redirect=)(.+)", re.IGNORECASE)


class _Broken(Exception):
    """The SPF record cannot be evaluated; the message says why."""


def check(settings: Settings, names: Names) -> Iterator[Finding]:
    """Yield the findings about the domain of PORTAL_MAIL_SENDER."""
    domain = settings.mail.sender.rpartition("@")[2].lower()
    yield judged("sender's domain", _alignment(domain, settings))
    try:
        yield judged("SPF", _spf(domain, names))
        yield _dmarc(domain, names)
        yield _dkim(domain, settings.mail.dkim_selector, names)
    except NotAnswered as error:
        yield Finding("SPF, DMARC and DKIM", NOTE, f"not checked: no name server answers ({error})")


def owned_domain(domain: str) -> str:
    """Return the part of a domain that its owner registered, such as example.co.uk of mail.example.co.uk."""
    return PublicSuffixList().privatesuffix(domain) or domain


def _alignment(domain: str, settings: Settings) -> str | None:
    host = (urlsplit(settings.base_url).hostname or "").lower()
    if owned_domain(host) == owned_domain(domain):
        return None
    return (
        f"mails come from {domain}, and their links lead to {host}: to people and to filters that looks like "
        f"phishing. Set PORTAL_MAIL_SENDER to an address below {owned_domain(host)}, or serve the portal at "
        f"an address below {owned_domain(domain)}"
    )


def _spf(domain: str, names: Names) -> str | None:
    records = _records(domain, names, "v=spf1")
    if not records:
        return (
            f'{domain} has no SPF record. Add a TXT record such as "v=spf1 include:… -all", with what the '
            "provider of your relay tells"
        )
    if len(records) > 1:
        return f"{domain} has {len(records)} SPF records, so receivers ignore all; unite them into one"
    if re.search(r"(?:^|\s)\+?all(?:\s|$)", records[0], re.IGNORECASE):
        return f"the SPF record of {domain} lets everyone send in its name; end it with -all or ~all"
    try:
        lookups = _lookups(domain, records[0], names, frozenset([domain]), MAX_LOOKUPS)
    except _Broken as error:
        return f"the SPF record of {domain} is broken: {error}"
    if lookups > MAX_LOOKUPS:
        return (
            f"the SPF record of {domain} needs more than {MAX_LOOKUPS} look-ups, so receivers ignore it; "
            "remove an include that is no longer needed"
        )
    return None


def _lookups(domain: str, record: str, names: Names, passed: frozenset[str], most: int) -> int:
    """Return how many look-ups the evaluation of a record needs, those of its includes too.

    Stops above `most`: what a domain includes belongs to others, and may lead on without end.
    """
    number = 0
    for term in record.split()[1:]:
        number += _LOOKS_UP.match(term) is not None
        found = _LEADS_ON.fullmatch(term)
        if found is None or "%" in found[1] or number > most:  # a macro depends on the mail
            continue
        target = found[1].lower().rstrip(".")
        if target in passed:
            message = f"{term} leads back to itself"
            raise _Broken(message)
        records = _records(target, names, "v=spf1")
        if len(records) != 1:
            message = f"{term} names {target}, which has {'no' if not records else 'more than one'} record"
            raise _Broken(message)
        number += _lookups(domain, records[0], names, passed | {target}, most - number)
    return number


def _dmarc(domain: str, names: Names) -> Finding:
    owner = owned_domain(domain)
    for place in dict.fromkeys((domain, owner)):
        records = _records(f"_dmarc.{place}", names, "v=DMARC1")
        if len(records) > 1:
            fault = f"_dmarc.{place} has {len(records)} records, so receivers ignore all; leave one"
            return judged("DMARC", fault)
        if records:
            tags = dict(part.strip().partition("=")[::2] for part in records[0].lower().split(";"))
            policy = tags.get("p", "") if place == domain else tags.get("sp") or tags.get("p", "")
            if policy in ("quarantine", "reject"):
                return Finding("DMARC", OK)
            return Finding(
                "DMARC",
                NOTE,
                f"_dmarc.{place} asks receivers to accept forged mail in your name ({policy or 'no p='}); "
                "set p=quarantine once its reports show that your own mail passes",
            )
    return judged(
        "DMARC",
        f'{domain} has no DMARC record. Add a TXT record at _dmarc.{owner}, such as "v=DMARC1; p=quarantine"'
        "; large providers refuse bulk mail without one",
    )


def _dkim(domain: str, selector: str, names: Names) -> Finding:
    if not selector:
        hint = "not checked; set PORTAL_DKIM_SELECTOR to the selector that your relay signs with"
        return Finding("DKIM", NOTE, hint)
    place = f"{selector}._domainkey.{domain}"
    records = [text for text in names.texts(place) if "p=" in text]
    keys = [re.search(r"(?:^|;)\s*p=\s*([^;]*)", text) for text in records]
    if not records:
        return judged(
            "DKIM", f"there is no key at {place}; add the TXT or CNAME record that your relay tells"
        )
    if not any(key and key[1].strip() for key in keys):
        return judged("DKIM", f"the key at {place} is revoked (empty p=); sign with another one")
    return Finding("DKIM", OK)


def _records(name: str, names: Names, version: str) -> list[str]:
    """Return the TXT records of a name that begin with this version."""
    texts = (text.strip() for text in names.texts(name))
    return [text for text in texts if re.match(rf"{version}(?:[\s;]|$)", text, re.IGNORECASE)]
