"""Finding Chinese names by how they sound: "zw", "zhangw" and "wei" all find 张伟."""

from __future__ import annotations

from functools import lru_cache

Syllables = tuple[frozenset[str], ...]


def sounds_like(text: str, name: str) -> bool:
    """Whether `text` is made of the beginnings of neighbouring syllables of `name`; words in
    Latin letters count as one syllable each.

    >>> [sounds_like(text, "欧阳明 Lin") for text in ("oym", "ouyang", "yml", "om")]
    [True, True, True, False]
    """
    wanted = "".join(text.casefold().split())
    if not wanted.isascii():
        return False
    sounds = syllables(name)
    return not wanted or any(_from(wanted, sounds[start:]) for start in range(len(sounds)))


def _from(wanted: str, sounds: Syllables) -> bool:
    reached = {0}  # how much of the text the syllables so far may account for
    for readings in sounds:
        reached = {
            at + length
            for at in reached
            for reading in readings
            for length in range(1, len(reading) + 1)
            if wanted.startswith(reading[:length], at)
        }
        if len(wanted) in reached:
            return True
    return False


@lru_cache(maxsize=20_000)
def syllables(name: str) -> Syllables:
    """The syllables of a name, each with all its readings: nobody knows how 单 is read here."""
    from pypinyin import Style, pinyin  # its tables take a while to load

    found: list[frozenset[str]] = []
    for readings in pinyin(name, style=Style.NORMAL, heteronym=True):
        if len(readings) == 1:  # also a whole run of other letters, as it stands
            found += [frozenset({word}) for word in readings[0].casefold().split()]
        else:
            found.append(frozenset(readings))
    return tuple(found)
