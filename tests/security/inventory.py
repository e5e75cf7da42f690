"""Every address of the application: who may ask for it, and what it does.

One line is one endpoint and method. Whoever adds an address adds its line here; the test says which
one is missing. The tests of `test_inventory.py` hold each line for strangers and ordinary people,
and `Crawler` and the other harnesses go through all of them, so that no door is left out.

    endpoint            method  who            kind           arguments that differ from VALUES

who: anonymous (anybody), person (logged in, any role), administrator (shapes the company; the page
is not there for others), operator (runs the installation), token (a link or key of its own).
kind: public, reads and writes (records), account (what belongs to the person), administration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from flask import Flask

WHO: Final = ("anonymous", "token", "person", "administrator", "operator")
KIND: Final = ("public", "reads", "writes", "account", "administration")
VALUES: Final[Mapping[str, Any]] = {  # what stands in an address where a rule has a gap
    "company": "small", "entity": "customer", "id": 1, "task": 1, "token": "x", "user": 1,
    "instance": 1, "command": "approve", "workflow": "x", "kind": "webhook", "key": "x",
    "file": 1, "field": "owner", "event": "submit", "export_type": "csv", "filename": "x",
    "name": "app.css", "share": 1, "department": 1, "what": "@user", "role": "sales", "version": 1,
}  # fmt: skip

OFFICE: Final = (  # the tables that the back office shows
    "users,sessions,history,versions,jobs,outbox,failures,security,accesses,factors,tokens,"
    "identities,shares,erasures"
)

TABLE: Final = """
# the installation
dist                    GET     anonymous      public
home.companies          GET     anonymous      public
healthz                 GET     anonymous      public

# getting in and out
auth.login              GET     anonymous      public
auth.log_in             POST    anonymous      public
auth.once               GET     token          public
auth.use_once           POST    token          public
auth.logout             POST    anonymous      account
auth.choose_language    POST    anonymous      account
second.ask              GET     anonymous      public
second.check            POST    anonymous      public
forgot.ask              GET     anonymous      public
forgot.send             POST    anonymous      public

# records
home.index              GET     person         reads
lists.index             GET     person         reads
lists.removed           GET     person         reads
lists.keep_view         POST    person         account
lists.forget_view       POST    person         account
boards.moves            GET     person         reads
boards.move             POST    person         writes
forms.new               GET     person         reads
forms.create            POST    person         writes
forms.edit              GET     person         reads
forms.save              POST    person         writes
forms.effects           POST    person         reads
forms.draft             POST    person         account
forms.forget_draft      DELETE  person         account
forms.lookup            GET     person         reads
forms.quick             GET     person         reads
forms.quick_create      POST    person         writes
forms.download          GET     person         reads
records.show            GET     person         reads
records.fire            POST    person         writes
records.comment         POST    person         writes
records.delete          POST    person         writes
records.restore         POST    person         writes
records.star            POST    person         account
why.index               GET     person         reads
sharing.index           GET     person         reads
sharing.give            POST    person         writes
sharing.take            POST    person         writes
pool.claim              POST    person         writes
pool.release            POST    person         writes
pool.claim_many         POST    person         writes
pages.search            GET     person         reads
pages.suggest           GET     person         reads
reveal.show             POST    person         writes

# approvals
approvals.index         GET     person         reads
approvals.show          GET     person         reads
approvals.case          GET     person         reads
approvals.read          POST    person         account
approvals.signature     GET     person         reads
approvals.decide        POST    person         writes
approvals.bulk          POST    person         writes

# one's own account
account.index           GET     person         account
account.change_password POST    person         account
account.end_session     POST    person         account
account.choose_language POST    person         account
factor.index            GET     person         account
factor.start            POST    person         account
factor.confirm          POST    person         account
factor.renew            POST    person         account
factor.remove           POST    person         account
prove.ask               GET     person         account
prove.check             POST    person         account
tokens.index            GET     person         account
tokens.new              GET     person         account
tokens.make             POST    person         account
tokens.revoke           POST    person         account
oidc.start              GET     anonymous      public
oidc.callback           GET     anonymous      public
notifications.index     GET     person         account
notifications.count     GET     person         account
notifications.read      POST    person         account
notifications.settings  GET     person         account
notifications.save      POST    person         account
delegation.index        GET     person         account
delegation.arrange      POST    person         account
delegation.end          POST    person         account

# where a company is shaped
sign_in.index           GET     administrator  administration
sign_in.save            POST    administrator  administration
flows.index             GET     administrator  administration
flows.new               POST    administrator  administration
flows.edit              GET     administrator  administration
flows.change            POST    administrator  administration
flows.undo              POST    administrator  administration
flows.redo              POST    administrator  administration
flows.check             POST    administrator  administration
flows.origin            POST    administrator  administration
flows.discard           POST    administrator  administration
flow_release.compare    GET     administrator  administration
flow_release.publish    GET     administrator  administration
flow_release.published  POST    administrator  administration
simulation.walk         GET     administrator  administration
simulation.records      GET     administrator  administration
simulation.replay       GET     administrator  administration
simulation.run          POST    administrator  administration
cases.index             GET     administrator  administration
cases.listing           GET     administrator  administration
cases.show              GET     administrator  administration
cases.act               POST    administrator  administration
cases.mapping           GET     administrator  administration
cases.begin             POST    administrator  administration
cases.migration         GET     administrator  administration
cases.run               POST    administrator  administration
cases.undo              POST    administrator  administration
deliveries.index        GET     administrator  administration
deliveries.again        POST    administrator  administration
deliveries.discard      POST    administrator  administration
channels.index          GET     administrator  administration
channels.new            GET     administrator  administration
channels.create         POST    administrator  administration
channels.edit           GET     administrator  administration
channels.save           POST    administrator  administration
channels.switch         POST    administrator  administration
channels.remove         POST    administrator  administration
channels.test           POST    administrator  administration
handover.index          GET     administrator  administration
handover.preview        GET     administrator  administration
handover.execute        POST    administrator  administration
handover.report         GET     administrator  administration
groups.index            GET     administrator  administration
groups.new              GET     administrator  administration
groups.create           POST    administrator  administration
groups.edit             GET     administrator  administration
groups.save             POST    administrator  administration
groups.remove           POST    administrator  administration
view_as.index           GET     administrator  administration
permissions.index       GET     administrator  administration
permissions.fields      GET     administrator  administration
permissions.save        POST    administrator  administration
permissions.check       POST    administrator  administration
permission_roles.index  GET     administrator  administration
permission_roles.new    GET     administrator  administration
permission_roles.create POST    administrator  administration
permission_roles.role   GET     administrator  administration
permission_roles.save   POST    administrator  administration
permission_roles.remove POST    administrator  administration
permission_roles.grades POST    administrator  administration
permission_roles.entity GET     administrator  administration
permission_roles.save_entity POST    administrator  administration
permission_release.preview GET     administrator  administration
permission_release.publish POST    administrator  administration
permission_release.versions GET     administrator  administration
permission_release.back GET     administrator  administration
permission_release.restore POST    administrator  administration
permission_release.discard POST    administrator  administration
calendar.index          GET     administrator  administration
calendar.mark           POST    administrator  administration
departments.ask_move    GET     administrator  administration
departments.ask_remove  GET     administrator  administration
departments.create      POST    administrator  administration
departments.edit        GET     administrator  administration
departments.index       GET     administrator  administration
departments.move        POST    administrator  administration
departments.new         GET     administrator  administration
departments.remove      POST    administrator  administration
departments.save        POST    administrator  administration
departments.shift       POST    administrator  administration
entrance.close          POST    administrator  administration
entrance.end            POST    administrator  administration
entrance.factor         POST    administrator  administration
entrance.leave          GET     administrator  administration
entrance.link           POST    administrator  administration
entrance.reopen         POST    administrator  administration
entrance.revoke         POST    administrator  administration
intake.index            GET     administrator  administration
intake.take             POST    administrator  administration
logs.access             GET     administrator  administration
logs.security           GET     administrator  administration
privacy.erase_          POST    administrator  administration
privacy.index           GET     administrator  administration
privacy.limit           POST    administrator  administration
privacy.person          GET     administrator  administration
privacy.told            GET     administrator  administration
users.create            POST    administrator  administration
users.give              POST    administrator  administration
users.index             GET     administrator  administration
users.new               GET     administrator  administration
users.opens             GET     administrator  administration
users.person            GET     administrator  administration
users.save              POST    administrator  administration

# the API
api.index               GET     person         reads
api.create              POST    person         writes
api.read                GET     person         reads
api.change              PATCH   person         writes
api.remove              DELETE  person         writes
api.restore             POST    person         writes
api.changes             GET     person         reads
api.fire                POST    person         writes
ownership_api.index     GET     person         reads
ownership_api.give      POST    person         writes
ownership_api.take      DELETE  person         writes
ownership_api.claim     POST    person         writes
ownership_api.release   POST    person         writes
task_api.index          GET     person         reads
task_api.decide         POST    person         writes
task_api.flow           GET     person         reads
explain_api.index       GET     person         reads
case_api.index          GET     administrator  administration
case_api.act            POST    administrator  administration
api.uncover             POST    person         writes

# the back office; flask-admin makes these of every table it shows (OFFICE)
ops.static              GET     operator       public
ops.index               GET     operator       administration
ops_users.close         POST    operator       administration
ops_sessions.revoke     POST    operator       administration
ops_{office}.action_view   POST  operator  administration
ops_{office}.ajax_lookup   GET   operator  administration
ops_{office}.ajax_update   POST  operator  administration
ops_{office}.create_view   GET   operator  administration
ops_{office}.create_view   POST  operator  administration
ops_{office}.delete_view   POST  operator  administration
ops_{office}.details_view  GET   operator  administration
ops_{office}.edit_view     GET   operator  administration
ops_{office}.edit_view     POST  operator  administration
ops_{office}.export        GET   operator  administration
ops_{office}.index_view    GET   operator  administration
"""


@dataclass(frozen=True, slots=True)
class Door:
    """One line of the table."""

    endpoint: str
    method: str
    who: str
    kind: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def api(self) -> bool:
        """Whether programs come in here: they are told 401 instead of being led to the login."""
        return self.endpoint.split(".")[0].endswith("api")


@cache
def doors(table: str = TABLE) -> tuple[Door, ...]:
    """The table, read."""
    return tuple(door for line in table.splitlines() for door in _read(line))


def _read(line: str) -> Iterator[Door]:
    words = line.split("#", maxsplit=1)[0].split()
    if not words:
        return
    endpoint, method, who, kind, *more = words
    if who not in WHO or kind not in KIND or any("=" not in word for word in more):
        message = f"tests/security/inventory.py: this line cannot be read: {line!r}"
        raise ValueError(message)
    values = dict(word.split("=", 1) for word in more)
    for name in _written_out(endpoint):
        yield Door(name, method, who, kind, values)


def _written_out(endpoint: str) -> Iterable[str]:
    if "{office}" not in endpoint:
        return [endpoint]
    return [endpoint.replace("{office}", one) for one in OFFICE.split(",")]


def rules(app: Flask) -> dict[tuple[str, str], list[Any]]:
    """What the application answers to: (endpoint, method) → rules."""
    found: dict[tuple[str, str], list[Any]] = {}
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.setdefault((rule.endpoint, method), []).append(rule)
    return found


rules_of = cache(rules)  # of an application that gets no more of them


def differences(app: Flask, table: str = TABLE) -> list[str]:
    """What is wrong with the table, each with the line to add or to remove."""
    listed = [(door.endpoint, door.method) for door in doors(table)]
    known, found = set(listed), rules(app)
    wrong = [f"listed twice: {a} {b}" for a, b in known if listed.count((a, b)) > 1]
    wrong += [
        f"add to TABLE in tests/security/inventory.py (check who and kind): {_line(app, a, b)}"
        for a, b in sorted(found.keys() - known)
    ]
    wrong += [f"remove from TABLE: {a} {b}" for a, b in sorted(known - found.keys())]
    gaps = {gap for each in found.values() for rule in each for gap in rule.arguments}
    wrong += [f"give an example in VALUES for the argument {gap!r}" for gap in gaps - VALUES.keys()]
    return wrong


def _line(app: Flask, endpoint: str, method: str) -> str:
    rule = str(rules(app)[endpoint, method][0].rule)
    who = "administrator" if "/admin/" in rule else "operator" if "/ops/" in rule else "person"
    kind = "reads" if method == "GET" else "writes"
    if who != "person":
        kind = "administration"
    elif "/account" in rule:
        kind = "account"
    return f"{endpoint:<23} {method:<7} {who:<14} {kind}"


def addresses(app: Flask, **values: Any) -> list[tuple[Door, str]]:
    """Every door with its paths; `values` fill the gaps instead of VALUES."""
    adapter = app.url_map.bind("localhost")
    by_name = {(door.endpoint, door.method): door for door in doors()}
    found = []
    for key, each in rules_of(app).items():
        door = by_name.get(key) or Door(*key, "person", "reads")
        for rule in each:
            filled = {**VALUES, **door.values, **values}
            parts = {gap: filled.get(gap, "1") for gap in rule.arguments}
            found.append((door, _path(adapter, rule, key, parts)))
    return found


def paths(app: Flask, endpoint: str, method: str, **values: Any) -> list[str]:
    """The paths of one door, its gaps filled with `values`."""
    door = next(one for one in doors() if (one.endpoint, one.method) == (endpoint, method))
    filled = {**VALUES, **door.values, **values}
    found = rules_of(app)[endpoint, method]
    return [str(rule.build({g: filled[g] for g in rule.arguments})[1]) for rule in found]


def _path(adapter: Any, rule: Any, key: tuple[str, str], parts: Mapping[str, Any]) -> str:
    built = rule.build(parts, append_unknown=False)
    return str(built[1]) if built else str(adapter.build(*key[:1], dict(parts), method=key[1]))
