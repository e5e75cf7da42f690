"""The information collection form: its groups and labels are those of the paper form, in order."""

from __future__ import annotations

import re

import pytest
from tests.e2e.conftest import Visit

PAPER = """
客户基础信息: 客户名称(全称) 所属行业 企业规模 客户类型
联系人信息: 主要联系人姓名 职位 联系方式 决策链关系
客户背景与现状: 成立时间 主营业务 当前痛点/挑战 近期目标/规划
需求信息: 显性需求 隐性需求 需求紧急性 需求重要性
互动记录: 最近接触时间 接触方式 我方参与人 沟通核心内容 下一步计划
需求预判与商机: 潜在需求 合作可能性评分 重点跟进方向
"""


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_the_paper_form_one_to_one(visit: Visit, phone: bool) -> None:
    page = visit("hotel", "li", phone=phone)
    page.goto("e/information_collection/new")
    expected = dict(line.split(": ") for line in PAPER.strip().splitlines())
    found: dict[str, list[str]] = {}
    for section in page.locator("section.form-section").all():
        title = section.get_by_role("heading", level=2).inner_text()
        labels = section.locator(".field-label").all_inner_texts()
        found[title] = [re.sub(r"\s*\*$", "", label.strip()) for label in labels]
    assert list(found)[: len(expected)] == list(expected)
    assert {title: found[title] for title in expected} == {
        title: labels.split() for title, labels in expected.items()
    }
