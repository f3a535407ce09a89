"""Names and roles: what a person may be called, and what a role may do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_codepad.access.identity import COLORS, clean_name, initials, name_key, unique_name
from jupyter_codepad.access.roles import ROLE_PERMISSIONS, Permission, Role
from jupyter_codepad.access.tokens import new_id
from jupyter_codepad.errors import Invalid


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("Ada\nHost", "Ada Host"),
        ("A\u200bd\u202ea", "Ada"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("🦊", "🦊"),
        ("漢字", "漢字"),
    ],
)
def test_names_are_cleaned_but_not_mangled(given: str, shown: str) -> None:
    assert clean_name(given) == shown


@pytest.mark.parametrize("given", ["", "   ", "\u200b\u200b", "\x00\x1b", "\u3164"])
def test_names_that_nobody_can_see_are_refused(given: str) -> None:
    with pytest.raises(Invalid) as caught:
        clean_name(given)
    assert caught.value.code == "name_required"


def test_long_names_are_refused() -> None:
    assert clean_name("x" * 40) == "x" * 40
    with pytest.raises(Invalid):
        clean_name("x" * 41)


def test_a_taken_name_gets_a_number() -> None:
    assert unique_name("Ada", set()) == "Ada"
    assert unique_name("Ada", {"ada"}) == "Ada (2)"
    assert unique_name("ADA", {"ada", "ada (2)"}) == "ADA (3)"


@pytest.mark.parametrize(
    ("real", "false"),
    [
        ("Ada", "АDА"),  # Cyrillic
        ("Ada", "ɑda"),
        ("Ada", "Adá"),
        ("Ada", "Ａｄａ"),
        ("Ada", "𝐀𝐝𝐚"),
        ("Bill", "BiIl"),
        ("Bill", "B1ll"),
        ("Olga", "0lga"),
        ("Ada Lovelace", "Ada  Lovelace"),
        ("Ada Lovelace", "Ada\u00a0Lovelace"),
        ("Morna", "Moma"),
        ("Ωmega", "ωmega"),
    ],
)
def test_a_name_cannot_pass_for_another(real: str, false: str) -> None:
    assert unique_name(clean_name(false), {name_key(real)}).endswith(" (2)")


@pytest.mark.parametrize(("one", "other"), [("Ada", "Bob"), ("Jan", "Jana"), ("李", "王")])
def test_different_names_stay_different(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


def test_initials() -> None:
    assert initials("Ada Lovelace") == "AL"
    assert initials("ada") == "A"
    assert initials("<script>") == "<"


def test_only_the_host_role_cannot_be_given_by_a_link() -> None:
    assert [role for role in Role if not role.can_be_invited] == [Role.HOST]
    assert Role.HOST.permissions == set(Permission)
    assert Role.OBSERVER.permissions == {Permission.VIEW, Permission.CHAT}
    assert Permission.RUN in Role.MEMBER.permissions
    assert set(ROLE_PERMISSIONS) == set(Role)


def test_identifiers_are_url_safe_and_of_their_length() -> None:
    for _ in range(200):
        assert len(new_id()) == 12 and new_id().replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("color", COLORS)
def test_white_text_is_readable_on_every_color(color: str) -> None:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_the_page_offers_the_colours_that_the_server_takes() -> None:
    source = (Path(__file__).parents[2] / "labextension/src/people/roles.ts").read_text()
    assert tuple(re.findall(r"'(#[0-9a-f]{6})'", source)) == COLORS
