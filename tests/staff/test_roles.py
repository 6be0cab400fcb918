"""Every view of the console against every role: closed unless it names the role."""

import re

import pytest

from portal.staff.roles import Role
from tests.visitor import SAME_SITE, hidden

# The console's views do not depend on the database.
pytestmark = pytest.mark.sqlite

ALL = {"author", "approver", "support", "privacy", "admin"}
OPEN = {
    "/healthz",
    "/invitation/<token>/",
    "/join/",
    "/join/qr.svg",
    "/language/",
    "/logo",
    "/logo-dark",
    "/robots.txt",
    "/sign-in/",
    "/sign-in/passkey/",
    "/sign-in/passkey/question/",
    "/static/<path:filename>",
    "/theme.css",
}
# Who may open what; a view that is missing here fails the test.
ROUTES = {
    "/": ALL,
    "/approvals/": ALL,
    "/approvals/<approval_id>/": ALL,
    "/approvals/<approval_id>/approve/": ALL,
    "/approvals/<approval_id>/send-back/": ALL,
    "/approvals/<approval_id>/withdraw/": ALL,
    "/audit/": {"admin", "privacy"},
    "/checklist/": ALL,
    "/checklist/<slug>/": ALL,
    "/checklist/<slug>/discovered/": {"admin", "approver", "author", "privacy"},
    "/checklist/<slug>/<item>/": {"admin", "approver", "author", "privacy"},
    "/checklist/<slug>/<item>/done/": {"admin", "approver", "author", "privacy"},
    "/checklist/<slug>/<item>/files/": {"admin", "approver", "author", "privacy"},
    "/checklist/<slug>/<item>/files/<file_id>/": {"admin", "approver", "author", "privacy"},
    "/checklist/<slug>/<item>/files/<file_id>/delete/": {"admin", "approver", "author", "privacy"},
    "/confirm/": ALL,
    "/incidents/": {"approver", "author"},
    "/incidents/<slug>/facts/": {"approver", "author"},
    "/incidents/<slug>/statement/": {"approver", "author"},
    "/incidents/<slug>/statement/<language>/": {"approver", "author"},
    "/incidents/<slug>/statement/<language>/conflict/<number:number>/": {"approver", "author"},
    "/incidents/<slug>/statement/<language>/file/": {"approver", "author"},
    "/incidents/<slug>/statement/<language>/history/": {"approver", "author"},
    "/incidents/<slug>/statement/<language>/preview/": {"approver", "author"},
    "/incidents/<slug>/statement/cancel/": {"approver", "author"},
    "/incidents/<slug>/statement/publish/": {"approver", "author"},
    "/incidents/<slug>/timeline/": {"approver", "author"},
    "/incidents/<slug>/timeline/<string(length=16):key>/": {"approver", "author"},
    "/incidents/<slug>/timeline/<string(length=16):key>/conflict/<number:number>/": {"approver", "author"},
    "/incidents/<slug>/timeline/<string(length=16):key>/discard/": {"approver", "author"},
    "/incidents/<slug>/timeline/<string(length=16):key>/post/": {"approver", "author"},
    "/incidents/<slug>/timeline/alone/<row_id>/": {"approver", "author"},
    "/incidents/<slug>/timeline/confirm/<row_id>/": {"approver"},
    "/incidents/<slug>/timeline/edit/<number:number>/": {"approver", "author"},
    "/incidents/<slug>/timeline/new/": {"approver", "author"},
    "/incidents/<slug>/withdraw/<what>/<number:number>/": {"approver", "author"},
    "/incidents/new/": {"approver", "author"},
    "/mail/": ALL,
    "/mail/domain/": ALL,
    "/mail/pause/": {"admin", "approver", "author"},
    "/mail/resume/": {"admin", "approver"},
    "/mail/retry/": {"admin"},
    "/lists/": {"approver", "author", "privacy"},
    "/lists/<slug>/": {"approver", "author", "privacy"},
    "/lists/<slug>/<number:number>/activate/": {"author"},
    "/lists/<slug>/<number:number>/purge/": {"author"},
    "/lists/<slug>/kinds/": {"approver", "author", "privacy"},
    "/lists/<slug>/left-out/": {"author"},
    "/lists/<slug>/send/": {"author"},
    "/lists/<slug>/uploads/": {"author"},
    "/lists/<slug>/uploads/<upload_id>/": {"approver", "author", "privacy"},
    "/lists/<slug>/uploads/<upload_id>/columns/": {"author"},
    "/lists/<slug>/uploads/<upload_id>/content": {"author"},
    "/lists/<slug>/uploads/<upload_id>/delete/": {"author"},
    "/lists/<slug>/uploads/<upload_id>/progress": {"approver", "author", "privacy"},
    "/lists/<slug>/uploads/<upload_id>/rejected/<int:reason>.csv": {"approver", "author", "privacy"},
    "/lists/<slug>/uploads/<upload_id>/store/": {"author"},
    "/me/": ALL,
    "/me/passkeys/": ALL,
    "/me/passkeys/remove/": ALL,
    "/me/recovery-codes/": ALL,
    "/me/sessions/": ALL,
    "/resets/": {"admin", "approver", "author", "privacy"},
    "/resets/<run_id>/": {"admin", "approver", "author", "privacy"},
    "/resets/<run_id>/progress": {"admin", "approver", "author", "privacy"},
    "/notices/": ALL,
    "/notices/<slug>/<number:number>/": ALL,
    "/notices/<slug>/<number:number>/ask/": {"author"},
    "/notices/<slug>/<number:number>/progress": ALL,
    "/notices/<slug>/<number:number>/unreached/": {"approver", "author", "privacy"},
    "/notices/<slug>/<number:number>/unreached/ask/": {"author", "privacy"},
    "/notices/<slug>/<number:number>/unreached/file/": {"author", "privacy"},
    "/notices/<slug>/<number:number>/unreached/progress": {"approver", "author", "privacy"},
    "/notices/<slug>/drafts/<task_id>/": {"author"},
    "/notices/<slug>/drafts/<task_id>/progress": {"author"},
    "/notices/<slug>/<number:number>/pause/": {"admin", "approver", "author", "privacy"},
    "/notices/<slug>/<number:number>/resume/": {"approver"},
    "/notices/<slug>/<number:number>/stop/": {"admin", "approver", "author", "privacy"},
    "/notices/<slug>/<number:number>/test/": {"admin", "approver", "author", "privacy"},
    "/notices/<slug>/<number:number>/text/<language>/": ALL,
    "/notices/<slug>/<number:number>/text/<language>/html/": ALL,
    "/notices/<slug>/new/": {"author"},
    "/notices/<slug>/<number:number>/edit/": {"author"},
    "/settings/": {"admin"},
    "/settings/<name>/": {"admin"},
    "/settings/colour.css": {"admin"},
    "/settings/colour.json": {"admin"},
    "/sign-out/": ALL,
    "/staff/": ALL,
    "/today/": ALL,
    "/staff/<member_id>/": {"admin"},
    "/staff/<member_id>/invite/": {"admin"},
    "/staff/<member_id>/passkey/": {"admin"},
    "/staff/<member_id>/sign-out/": {"admin"},
    "/staff/new/": {"admin"},
}


def address(rule):
    """An address of a rule, whose parts name nothing that exists."""
    return re.sub(r"<string[^>]+>", "0" * 16, re.sub(r"<(?:number:|int:)?\w+>", "1", rule))


def test_every_view_is_listed_with_its_roles(office):
    assert {rule.rule for rule in office.app.url_map.iter_rules()} == OPEN | set(ROUTES)


@pytest.mark.parametrize("role", sorted(ALL))
def test_a_role_opens_what_is_its_own_and_nothing_else(office, role):
    browser = office.as_role(role)
    token = hidden(browser.get("/").text)
    for rule in office.app.url_map.iter_rules():
        if rule.rule in OPEN:
            continue
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            if rule.rule != "/sign-out/":
                data = token if method == "POST" else None
                answer = browser.open(address(rule.rule), method=method, data=data, headers=SAME_SITE)
                refused = answer.status_code == 403
                assert refused == (role not in ROUTES[rule.rule]), (rule.rule, answer.location)
                assert answer.status_code < 500, rule.rule


@pytest.mark.parametrize("role", sorted(ALL))
def test_the_navigation_offers_what_the_role_opens(office, role):
    header = office.as_role(role).get("/").text.split("</header>")[0]
    offered = set(re.findall(r'<li><a href="([^"]+)"', header))
    assert "/checklist/" in offered
    assert {path for path in offered if role not in ROUTES[path]} == set()


def test_without_a_session_every_closed_view_leads_to_the_sign_in(office):
    browser = office.browser()
    for rule in office.app.url_map.iter_rules():
        if rule.rule not in OPEN and "GET" in rule.methods:
            answer = browser.get(address(rule.rule))
            assert answer.status_code == 303, rule.rule
            assert answer.location.startswith("/sign-in/"), rule.rule


def test_the_roles_are_these():
    assert {role.value for role in Role} == ALL
