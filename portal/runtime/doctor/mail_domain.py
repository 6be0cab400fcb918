"""Check the sender's domain: whether receivers can tell that mail from it is genuine."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from portal.core.i18n import Message
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
        yield Finding(
            "SPF, DMARC and DKIM",
            NOTE,
            Message("not checked: no name server answers (%(error)s)", error=str(error)),
        )


def owned_domain(domain: str) -> str:
    """Return the part of a domain that its owner registered, such as example.co.uk of mail.example.co.uk."""
    return PublicSuffixList().privatesuffix(domain) or domain


def _alignment(domain: str, settings: Settings) -> Message | None:
    host = (urlsplit(settings.base_url).hostname or "").lower()
    if owned_domain(host) == owned_domain(domain):
        return None
    return Message(
        "emails come from %(domain)s, and their links lead to %(host)s: to people and to filters that looks "
        "like phishing. Set PORTAL_MAIL_SENDER to an address below %(of_host)s, or serve the portal at "
        "an address below %(of_domain)s",
        domain=domain,
        host=host,
        of_host=owned_domain(host),
        of_domain=owned_domain(domain),
    )


def _spf(domain: str, names: Names) -> Message | None:
    records = _records(domain, names, "v=spf1")
    if not records:
        return Message(
            "%(domain)s has no SPF record. Add a TXT record such as %(record)s, with what the "
            "provider of your relay tells",
            domain=domain,
            record='"v=spf1 include:… -all"',
        )
    if len(records) > 1:
        return Message(
            "%(domain)s has %(number)s SPF records, so receivers ignore all; unite them into one",
            domain=domain,
            number=len(records),
        )
    if re.search(r"(?:^|\s)\+?all(?:\s|$)", records[0], re.IGNORECASE):
        return Message(
            "the SPF record of %(domain)s lets everyone send in its name; end it with -all or ~all",
            domain=domain,
        )
    try:
        lookups = _lookups(domain, records[0], names, frozenset([domain]), MAX_LOOKUPS)
    except _Broken as error:
        return Message("the SPF record of %(domain)s is broken: %(why)s", domain=domain, why=error.args[0])
    if lookups > MAX_LOOKUPS:
        return Message(
            "the SPF record of %(domain)s needs more than %(most)s look-ups, so receivers ignore it; "
            "remove an include that is no longer needed",
            domain=domain,
            most=MAX_LOOKUPS,
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
            raise _Broken(Message("%(term)s leads back to itself", term=term))
        records = _records(target, names, "v=spf1")
        if len(records) != 1:
            none = Message("%(term)s names %(target)s, which has no record", term=term, target=target)
            several = Message(
                "%(term)s names %(target)s, which has more than one record", term=term, target=target
            )
            raise _Broken(several if records else none)
        number += _lookups(domain, records[0], names, passed | {target}, most - number)
    return number


def _dmarc(domain: str, names: Names) -> Finding:
    owner = owned_domain(domain)
    for place in dict.fromkeys((domain, owner)):
        records = _records(f"_dmarc.{place}", names, "v=DMARC1")
        if len(records) > 1:
            fault = Message(
                "_dmarc.%(place)s has %(number)s records, so receivers ignore all; leave one",
                place=place,
                number=len(records),
            )
            return judged("DMARC", fault)
        if records:
            tags = dict(part.strip().partition("=")[::2] for part in records[0].lower().split(";"))
            policy = tags.get("p", "") if place == domain else tags.get("sp") or tags.get("p", "")
            if policy in ("quarantine", "reject"):
                return Finding("DMARC", OK)
            return Finding(
                "DMARC",
                NOTE,
                Message(
                    "_dmarc.%(place)s asks receivers to accept forged mail in your name (%(policy)s); "
                    "set p=quarantine once its reports show that your own mail passes",
                    place=place,
                    policy=policy or Message("no p="),
                ),
            )
    return judged(
        "DMARC",
        Message(
            "%(domain)s has no DMARC record. Add a TXT record at _dmarc.%(owner)s, such as "
            "%(record)s; large providers refuse bulk mail without one",
            domain=domain,
            record='"v=DMARC1; p=quarantine"',
            owner=owner,
        ),
    )


def _dkim(domain: str, selector: str, names: Names) -> Finding:
    if not selector:
        hint = Message("not checked; set PORTAL_DKIM_SELECTOR to the selector that your relay signs with")
        return Finding("DKIM", NOTE, hint)
    place = f"{selector}._domainkey.{domain}"
    records = [text for text in names.texts(place) if "p=" in text]
    keys = [re.search(r"(?:^|;)\s*p=\s*([^;]*)", text) for text in records]
    if not records:
        return judged(
            "DKIM",
            Message(
                "there is no key at %(place)s; add the TXT or CNAME record that your relay tells", place=place
            ),
        )
    if not any(key and key[1].strip() for key in keys):
        return judged(
            "DKIM",
            Message("the key at %(place)s is revoked (empty p=); sign with another one", place=place),
        )
    return Finding("DKIM", OK)


def _records(name: str, names: Names, version: str) -> list[str]:
    """Return the TXT records of a name that begin with this version."""
    texts = (text.strip() for text in names.texts(name))
    return [text for text in texts if re.match(rf"{version}(?:[\s;]|$)", text, re.IGNORECASE)]
