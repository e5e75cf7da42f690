"""Made-up numbers with valid check digits, for sample data."""

from __future__ import annotations

import random
from datetime import date
from typing import Final

_USCC: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100: without I O S V Z
_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS: Final = "10X98765432"
_DISTRICTS: Final = ("110105", "310104", "320106", "330106", "420106", "440106", "510107", "610113")
_NETWORKS: Final = ("130", "135", "136", "138", "139", "150", "158", "177", "186", "188", "199")


def mobile(chance: random.Random) -> str:
    """A mobile number of eleven digits."""
    return f"{chance.choice(_NETWORKS)}{chance.randrange(10**8):08d}"


def idcard(chance: random.Random, born: date, *, female: bool = False) -> str:
    """An ID number after GB 11643; the last digit of the sequence tells the sex."""
    sequence = chance.randrange(1, 499) * 2 + (not female)
    body = f"{chance.choice(_DISTRICTS)}{born:%Y%m%d}{sequence:03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _ID_WEIGHTS, strict=True))
    return body + _ID_CHECKS[total % 11]


def uscc(chance: random.Random) -> str:
    """A unified social credit code after GB 32100-2015."""
    organisation = "".join(chance.choice(_USCC) for _ in range(9))
    body = f"91{chance.choice(_DISTRICTS)}{organisation}"
    total = sum(_USCC.index(sign) * 3**place % 31 for place, sign in enumerate(body))
    return body + _USCC[-total % 31]


def bankcard(chance: random.Random) -> str:
    """A bank card number of nineteen digits with its Luhn digit."""
    body = "622202" + f"{chance.randrange(10**12):012d}"
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return f"{body}{-total % 10}"
