"""100,000 customers, the same for both applications: made from a seed, never from a clock."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

CITIES = ("北京", "上海", "广州", "深圳", "杭州", "成都", "武汉", "西安", "南京", "重庆")
WORDS = (
    "恒泰",
    "信达",
    "国际",
    "麒麟",
    "东方",
    "华夏",
    "中联",
    "金桥",
    "远大",
    "鼎新",
    "瑞丰",
    "海川",
)
TRADES = ("信息技术", "酒店", "机械", "贸易", "复合材料", "教育咨询", "橡胶", "物流")
SEED = 20_260_301


def customers(count: int, users: int) -> Iterator[dict[str, Any]]:
    """`count` records with ids from 1; owners are users 1..`users`, evenly."""
    dice = random.Random(SEED)
    for number in range(1, count + 1):
        city = dice.choice(CITIES)
        name = f"{city}{dice.choice(WORDS)}{dice.choice(WORDS)}{dice.choice(TRADES)}有限公司"
        level = dice.choices("ABC", (1, 3, 6))[0]
        yield {
            "id": number,
            "code": f"KH{number:07d}",
            "name": name,
            "level": level,
            "status": dice.choice(("lead", "active", "lost")),
            "phone": f"13{dice.randrange(10**9):09d}",
            "email": f"info{number}@example.com",
            "city": city,
            "address": f"{city}市人民路{dice.randrange(1, 999)}号",
            "owner": 1 + number % users,
            "credit_limit": Decimal(dice.randrange(0, 50_000_000)) / 100,
            "employees": dice.randrange(1, 5000),
            "founded": date(1990, 1, 1) + timedelta(days=dice.randrange(12_000)),
            "active": dice.random() < 0.9,
            "note": "" if dice.random() < 0.5 else "按季度回访，" * 6,
        }
