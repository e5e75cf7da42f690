"""The approvals pages and their API: what is refused comes back as it was typed; nobody gives a
command that is not his to give, by whatever door."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from tests.web import PEOPLE, Browser, Site

from dougong.deciding import COMMANDS
from engine.records.publish import publish
from engine.tables import system

FLOW = "workflows/crm/contract_approval.json"
WATCHED = (
    *(system.WF_INSTANCE, system.WF_EVENT, system.WF_TASK, system.WF_CANDIDATE, system.WF_COPY),
    *(system.OUTBOX, system.HISTORY),
)


def rewritten(site: Site, change: Callable[[dict[str, Any]], None]) -> None:
    """Publish the contract's workflow with its first step changed."""
    sources = dict(site.company.current.sources)
    chart = json.loads(sources[FLOW])
    change(chart["states"]["in_review"]["states"]["manager"])
    chart["version"] += 1
    publish(site.company, {**sources, FLOW: json.dumps(chart, ensure_ascii=False)}, "crm")


def contract(site: Site, title: str = "年度供货合同", price: str = "20000") -> int:
    """A contract of wang's that waits for li."""
    wang = site.person("wang")
    customer = site.create("customer", "wang", name=f"{title}的客户", owner=wang)
    lines = [{"name": "泵", "quantity": "1", "unit_price": price}]
    id = site.create("contract", "wang", title=title, customer=customer, owner=wang, items=lines)
    sent = site.browser("wang").post(f"/e/contract/{id}/fire", {"event": "submit"})
    assert sent.status_code == 303, sent.text
    return id


def task_of(site: Site, record: int) -> int:
    """The record's open task."""
    table = system.WF_TASK
    with site.company.database.read() as connection:
        return int(
            connection.scalars(
                sa.select(table.c.id).where(table.c.record_id == record, table.c.status == "open")
            ).one()
        )


def state(site: Site, record: int) -> str:
    table = system.WF_INSTANCE
    with site.company.database.read() as connection:
        return str(connection.scalar(sa.select(table.c.state).where(table.c.record_id == record)))


def everything(site: Site) -> list[Any]:
    """All rows a command may touch."""
    place = site.company.current.tables.of("contract").table
    with site.company.database.read() as connection:
        return [sorted(map(repr, connection.execute(sa.select(t)))) for t in (*WATCHED, place)]


def api(browser: Browser, path: str, body: Any, **headers: str) -> Any:
    """A call of the API."""
    return browser.post(
        f"/api/v1{path}",
        data=json.dumps(body),  # type: ignore[arg-type]
        headers={"Accept": "application/json", **headers},
        content_type="application/json",
    )


# --- whose business it is ----------------------------------------------------------------------
INVOLVED = {("wang", "remind")}  # whoever started it may remind


def test_no_command_by_anybody_but_its_actor(site: Site) -> None:
    id = contract(site)
    task, before = task_of(site, id), everything(site)
    for login in PEOPLE:
        if login == "li":
            continue
        browser = site.browser(login)
        for command in sorted(COMMANDS):
            if (login, command) in INVOLVED:
                continue
            data = {"comment": "请看", "to": str(site.person("chen")), "mode": "before"}
            page = browser.post(f"/approvals/{task}", {"event": f"task.{command}", **data})
            assert page.status_code in (303, 403, 404, 409, 422), (login, command)
            body = {"comment": "请看", "to": site.person("chen")}
            answer = api(browser, f"/tasks/{task}/{command}", body)
            assert answer.status_code in (403, 404, 409, 422), (login, command, answer.text)
            assert answer.get_json()["problems"]
            fire = browser.post(
                f"/e/contract/{id}/fire", {"event": f"task.{command}", "task": "1", **data}
            )
            assert fire.status_code in (403, 404, 409, 422), (login, command)
        assert everything(site) == before, login


def test_what_is_no_command_is_none(site: Site) -> None:
    task = task_of(site, contract(site))
    li = site.browser("li")
    assert li.post(f"/approvals/{task}", {"decision": "done.approved.manager"}).status_code == 400
    assert api(li, f"/tasks/{task}/terminate", {}).status_code == 404
    assert li.post("/approvals/999999", {"decision": "approve"}).status_code == 404
    assert li.get("/approvals/999999").status_code == 404
    assert li.get("/approvals?tab=other").status_code == 404
    assert li.get(f"/approvals/{task}/approve").status_code == 404  # a link decides nothing


# --- deciding ----------------------------------------------------------------------------------
def test_the_page_of_a_task_shows_what_is_decided_on(site: Site) -> None:
    id = contract(site)
    page = site.browser("li").get(f"/approvals/{task_of(site, id)}").text
    for words in ("年度供货合同", "泵", "20,000.00", "李强", "王敏"):
        assert words in page
    assert f'href="/acme/e/contract/{id}"' in page
    stranger = site.browser("sun").get(f"/approvals/{task_of(site, id)}")
    assert stranger.status_code == 404


def test_a_refusal_keeps_what_was_typed(site: Site) -> None:
    id = contract(site)
    li, task = site.browser("li"), task_of(site, id)
    before = everything(site)
    refused = li.post(f"/approvals/{task}", {"decision": "reject", "comment": "  "})
    assert refused.status_code == 422
    assert "note-error" in refused.text
    back = {"next": f"/acme/e/contract/{id}", "comment": "请王经理代看"}
    moved = li.post(f"/approvals/{task}", {"event": "task.transfer", **back})
    assert moved.status_code == 422
    assert re.search(r'<details class="menu command" data-menu open>', moved.text)
    assert "请王经理代看</textarea>" in moved.text
    assert '<nav class="crumbs"' in moved.text
    assert everything(site) == before
    stale = li.post(
        f"/approvals/{task}", {"decision": "approve", "version": "1", "comment": "看过"}
    )
    assert stale.status_code == 409
    assert "看过</textarea>" in stale.text


def test_sent_twice_it_is_done_once(site: Site) -> None:
    id = contract(site)
    li, task = site.browser("li"), task_of(site, id)
    form = {"decision": "approve", "key": "page-1"}
    assert li.post(f"/approvals/{task}", form).status_code == 303
    after = everything(site)
    assert li.post(f"/approvals/{task}", form).status_code == 303
    assert everything(site) == after
    assert state(site, id) == "approved"


def test_fields_of_the_step_are_filled_in_on_the_card(site: Site) -> None:
    rewritten(site, lambda step: step.update(fields={"remark": "required", "*": "read"}))
    id = contract(site)
    li, task = site.browser("li"), task_of(site, id)
    assert 'name="f_remark"' in li.get(f"/approvals/{task}").text
    page = li.get(f"/e/contract/{id}").text
    assert 'name="f_remark"' in page
    (version,) = set(re.findall(r'name="version" value="(\d+)"', page.split('id="decide"')[1]))
    form = {"decision": "approve", "version": version}
    empty = li.post(f"/approvals/{task}", {**form, "f_remark": ""})
    assert empty.status_code == 422
    assert state(site, id) == "manager"
    other = {**form, "f_remark": "已核对", "f_title": "换个名字"}
    assert li.post(f"/approvals/{task}", other).status_code == 303
    page = li.get(f"/e/contract/{id}").text
    assert "已核对" in page
    assert "换个名字" not in page  # not a field of this step
    assert state(site, id) == "approved"


def picture() -> str:
    """A small picture, as a pad draws it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    head = (1).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\x00\x00"))
    return "data:image/png;base64," + base64.b64encode(raw + chunk(b"IEND", b"")).decode()


def test_a_signed_step_wants_a_signature(site: Site) -> None:
    rewritten(site, lambda step: step.update(signature=True))
    id = contract(site)
    li, task = site.browser("li"), task_of(site, id)
    page = li.get(f"/approvals/{task}").text
    assert "data-signature-pad" in page
    assert li.post(f"/approvals/{task}", {"decision": "approve"}).status_code == 422
    broken = {"decision": "approve", "signature_image": "data:image/png;base64,%%%"}
    assert li.post(f"/approvals/{task}", broken).status_code == 422
    signed = {"decision": "approve", "signature_image": picture()}
    assert li.post(f"/approvals/{task}", signed).status_code == 303
    assert state(site, id) == "approved"
    table = system.WF_TASK
    with site.company.database.read() as connection:
        file = connection.scalar(sa.select(table.c.signature_id).where(table.c.id == task))
    place = f"/approvals/signature/{file}"
    assert f'{place}" alt=' in site.browser("wang").get(f"/e/contract/{id}").text
    assert site.browser("wang").client.get(f"/acme{place}").mimetype == "image/png"
    assert site.browser("sun").get(place).status_code == 404


def test_a_case_that_came_back_shows_what_changed(site: Site) -> None:
    id = contract(site)
    li, wang = site.browser("li"), site.browser("wang")
    back = {"decision": "return", "to": "draft", "comment": "名称不对"}
    assert li.post(f"/approvals/{task_of(site, id)}", back).status_code == 303
    version = re.search(r'name="version" value="(\d+)"', wang.get(f"/e/contract/{id}/edit").text)
    assert version is not None
    form = {"version": version[1], "f_title": "年度供货合同(修订)"}
    assert wang.post(f"/e/contract/{id}/edit", form).status_code == 303
    assert wang.post(f"/e/contract/{id}/fire", {"event": "submit"}).status_code == 303
    for page in (f"/approvals/{task_of(site, id)}", f"/e/contract/{id}"):
        text = li.get(page).text
        assert "<del>年度供货合同</del>" in text
        assert "<ins>年度供货合同(修订)</ins>" in text
    assert "<del>年度供货合同</del>" not in wang.get(f"/e/contract/{id}").text.split("feed")[0]


# --- together ----------------------------------------------------------------------------------
def test_several_are_listed_confirmed_and_approved(site: Site) -> None:
    ids = [contract(site, f"合同{at}") for at in range(3)]
    tasks = [task_of(site, id) for id in ids]
    li = site.browser("li")
    assert li.post("/approvals/bulk", {}).status_code == 303  # nothing chosen
    ask = li.post("/approvals/bulk", {"task": [str(one) for one in tasks]})
    assert ask.status_code == 200
    assert all(f"合同{at}" in ask.text for at in range(3))
    assert {state(site, id) for id in ids} == {"manager"}  # asking approves nothing
    li.post(f"/approvals/{tasks[1]}", {"decision": "reject", "comment": "重复"})
    form: dict[str, Any] = {"task": [str(one) for one in tasks], "sure": "1", "key": "b"}
    form |= {"comment": "同意", f"title.{tasks[1]}": "合同1"}
    done = li.post("/approvals/bulk", form)
    assert done.status_code == 207
    assert "合同1" in done.text
    assert [state(site, id) for id in ids] == ["approved", "draft", "approved"]
    after = everything(site)
    assert li.post("/approvals/bulk", form).status_code == 207  # loaded once more
    assert everything(site) == after


def test_tabs_filters_and_copies(site: Site) -> None:
    rewritten(site, lambda step: step.update(cc=[{"role": "legal"}]))
    id = contract(site, "抄送的合同")
    zheng = site.browser("zheng")
    page = zheng.get("/approvals?tab=copies").text
    assert "unread-dot" in page
    (action,) = re.findall(r'action="/acme(/approvals/case/\d+/read)"', page)
    assert zheng.get(action).status_code == 405  # a link marks nothing
    assert zheng.post(action).status_code == 303
    assert "unread-dot" not in zheng.get("/approvals?tab=copies").text
    assert zheng.get(action.removesuffix("/read")).status_code == 200
    li = site.browser("li")
    assert "抄送的合同" in li.get("/approvals?q=抄送").text
    assert "抄送的合同" not in li.get("/approvals?q=没有").text
    step = li.get("/approvals?step=contract_approval/manager&order=due&entity=contract")
    assert "抄送的合同" in step.text
    assert "抄送的合同" in site.browser("wang").get("/approvals?tab=mine").text
    for tab in ("claim", "done"):
        assert li.get(f"/approvals?tab={tab}").status_code == 200
    assert state(site, id) == "manager"


# --- the API -----------------------------------------------------------------------------------
def test_the_api_lists_tells_and_decides(site: Site) -> None:
    id = contract(site)
    li = site.browser("li")
    body = li.get("/api/v1/tasks").get_json()
    (item,) = body["items"]
    assert (item["record"], item["bulk"], item["label"][-6:]) == (id, True, "年度供货合同")
    assert body["counts"] == {"todo": 1, "claim": 0, "copies": 0}
    assert li.get("/api/v1/tasks?tab=nothing").status_code == 422
    flow = li.get(f"/api/v1/contract/{id}/flow").get_json()
    assert flow["state"] == "manager"
    assert "李强" in flow["waiting"][0]["text"]
    assert {"task.approve", "task.return"} <= {one["event"] for one in flow["commands"]}
    assert site.browser("sun").get(f"/api/v1/contract/{id}/flow").status_code == 404
    path = f"/tasks/{item['task']}"
    assert api(li, f"{path}/reject", {}).get_json()["problems"][0]["pointer"] == "/comment"
    assert api(li, f"{path}/approve", {"version": 1}).status_code == 409
    assert api(li, f"{path}/approve", {"comment": 7}).status_code == 422
    key = {"Idempotency-Key": "once"}
    first = api(li, f"{path}/approve", {"version": item["version"]}, **key).get_json()
    assert (first["state"], first["done"], first["repeated"]) == ("approved", True, False)
    again = api(li, f"{path}/approve", {"version": item["version"]}, **key).get_json()
    assert again["repeated"]
    done = li.get("/api/v1/tasks?tab=done").get_json()["items"]
    assert [one["record"] for one in done] == [id]


def test_the_api_asks_for_a_login_and_the_token(site: Site) -> None:
    task = task_of(site, contract(site))
    assert site.app.test_client().get("/acme/api/v1/tasks").status_code == 401
    li = site.browser("li")
    bare = li.client.post(f"/acme/api/v1/tasks/{task}/approve", json={})
    assert bare.status_code in (400, 403)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_page_speaks_both_languages(site: Site, language: str) -> None:
    id = contract(site)
    li = site.browser("li", language)
    task = task_of(site, id)
    for path in ("/approvals", "/approvals?tab=mine", f"/approvals/{task}", f"/e/contract/{id}"):
        assert li.get(path).status_code == 200
