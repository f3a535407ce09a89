"""The languages a pad can be in."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from ..errors import Invalid


@dataclass(frozen=True)
class Language:
    """One language: ``editor_mode`` names the editor's grammar, ``kernel_name`` the kernelspec."""

    id: str
    name: str
    file_name: str
    editor_mode: str
    kernel_name: str
    starter_text: str


LANGUAGES = MappingProxyType(
    {
        "python": Language(
            id="python",
            name="Python",
            file_name="main.py",
            editor_mode="python",
            kernel_name="python3",
            starter_text='print("Hello, room!")\n',
        )
    }
)
"""All languages by their id."""


def get_language(language_id: str) -> Language:
    """The language with this id. Raises ``Invalid`` when there is none."""
    language = LANGUAGES.get(language_id)
    if language is None:
        known = ", ".join(LANGUAGES)
        raise Invalid(
            "unknown_language", f"“{language_id}” is not a language here. Choose one of: {known}."
        )
    return language
