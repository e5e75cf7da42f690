"""The customer information form reproduces the paper form one to one."""

from __future__ import annotations

import pytest
from tests.unit.packs.test_shipped import PACKS, model_of

from engine.definitions.model import Model

PAPER = {
    "客户基础信息": {
        "客户名称(全称)": "text",
        "所属行业": "choice",
        "企业规模": "text",
        "客户类型": "choice",
    },
    "联系人信息": {
        "主要联系人姓名": "text",
        "职位": "text",
        "联系方式": "text",
        "决策链关系": "longtext",
    },
    "客户背景与现状": {
        "成立时间": "month",
        "主营业务": "longtext",
        "当前痛点/挑战": "longtext",
        "近期目标/规划": "longtext",
    },
    "需求信息": {
        "显性需求": "longtext",
        "隐性需求": "longtext",
        "需求紧急性": "choice",
        "需求重要性": "choice",
    },
    "互动记录": {
        "最近接触时间": "date",
        "接触方式": "choice",
        "我方参与人": "users",
        "沟通核心内容": "longtext",
        "下一步计划": "longtext",
    },
    "需求预判与商机": {
        "潜在需求": "longtext",
        "合作可能性评分": "rating",
        "重点跟进方向": "longtext",
    },
}
OPTIONS = {
    "customer_type": ["新客户", "存量客户", "战略客户", "潜在客户"],
    "urgency": ["高", "中", "低"],
    "importance": ["高", "中", "低"],
    "manner": ["会议", "电话", "拜访", "邮件"],
}


def form_of(model: Model) -> dict[str, dict[str, str]]:
    """The generated form as group -> label -> type, without the part that files it."""
    entity = model.entities["information_collection"]
    return {
        part.title["zh-CN"]: {
            entity.fields[name].title["zh-CN"]: entity.fields[name].type
            for row in part.rows
            for name in row
        }
        for part in entity.form
        if part.title["zh-CN"] != "归档"
    }


@pytest.mark.parametrize("pack", PACKS)
def test_groups_fields_and_their_order(pack: str) -> None:
    generated = form_of(model_of(pack))
    assert list(generated) == list(PAPER)
    for group, fields in PAPER.items():
        assert list(generated[group].items()) == list(fields.items())


@pytest.mark.parametrize(("field", "words"), OPTIONS.items())
def test_options_read_as_on_paper(field: str, words: list[str]) -> None:
    options = model_of("crm").entities["information_collection"].fields[field].options
    assert [option.title["zh-CN"] for option in options] == words


def test_score_runs_from_one_to_five() -> None:
    schema = model_of("crm").entities["information_collection"].fields["score"].schema
    assert (schema["minimum"], schema["maximum"]) == (1, 5)


def test_name_and_means_of_contact_are_confidential() -> None:
    fields = model_of("crm").entities["information_collection"].fields
    assert fields["contact_name"].access["sales"].mask == "name"
    assert fields["contact_way"].access["sales"].mask == "phone"
