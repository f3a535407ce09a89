"""Who is asking: a Jupyter user of this server, or a guest, and under which name."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider, User

from ..errors import Invalid

NAME_LIMIT = 40

LOCAL_OWNER = "local"
"""Owner of rooms on a server with one token or password, where every login is the same person."""

COLORS = (
    "#1565c0",
    "#2e7d32",
    "#c62828",
    "#6a1b9a",
    "#ad5200",
    "#00796b",
    "#ad1457",
    "#4e5d0a",
    "#37474f",
    "#5d4037",
)
"""Colours of carets and names; each has a contrast of at least 4.5 to white text on it."""


BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that count as letters or symbols and show nothing."""


@dataclass(frozen=True)
class JupyterUser:
    """A user of the Jupyter server: ``username`` is stable, ``name`` is for people."""

    username: str
    name: str


def jupyter_user(user: User, provider: IdentityProvider, *, local_name: str) -> JupyterUser:
    """The stable identity behind jupyter-server's user.

    With token or password login jupyter-server invents a new random username for each browser, and
    for each request with a token in its header; all of them are the one person who holds the
    server's secret, so they share ``LOCAL_OWNER`` and the configured ``local_name``. Other
    providers (JupyterHub) name real people.
    """
    if type(provider) in (IdentityProvider, PasswordIdentityProvider):
        return JupyterUser(username=LOCAL_OWNER, name=local_name)
    name = " ".join((user.display_name or user.name or user.username).split())
    return JupyterUser(username=user.username, name=name[:NAME_LIMIT] or "Host")


def clean_name(text: str) -> str:
    """The name as it will be shown: normalized, on one line, without invisible characters.

    Raises ``Invalid`` when nothing is left or when it is longer than ``NAME_LIMIT`` characters.
    Markup is kept as the plain text that it is: it is escaped where it is shown.
    """
    normal = unicodedata.normalize("NFKC", text)
    visible = "".join(
        c
        for c in normal
        if c == "\n" or (unicodedata.category(c)[0] != "C" and c not in BLANK_LETTERS)
    )
    name = " ".join(visible.split())
    if not any(unicodedata.category(c)[0] in "LNPS" for c in name):
        raise Invalid("name_required", "Please give a name that the others can see.")
    if len(name) > NAME_LIMIT:
        raise Invalid("name_too_long", f"A name can have at most {NAME_LIMIT} characters.")
    return name


def name_key(name: str) -> str:
    """What a name looks like: names with one key cannot be told apart at a glance.

    Upper and lower case, accents, look-alikes of other alphabets and of digits fall together,
    as in the skeletons of Unicode's security mechanisms (UTS #39), for letters that names have.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    alike = " ".join(plain.translate(LOOK_ALIKES).split())
    for pair, letter in LOOK_ALIKE_PAIRS:
        alike = alike.replace(pair, letter)
    return alike


LOOK_ALIKE_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))

LOOK_ALIKES = str.maketrans(
    # Letters of other alphabets, and digits, above the Latin letter that each is drawn like.
    "аӓәвгԁеєһіјкӏмнорԛсѕтуүхѵԝѡьзαβγεηικνορτυχωϲμհոսօցզɑɡɩıłøđħʟʀi1|!05ꭰꮪꭺ",
    "aaebrdeehljklmhopqcstyyxvwwb3abyenlkvoptuxwcuhnuogqaglllodhlrllllosdsa",
)


def unique_name(wanted: str, taken: set[str]) -> str:
    """``wanted``, or ``wanted (2)``, ``wanted (3)``… whose ``name_key`` is not in ``taken``."""
    candidate, number = wanted, 1
    while name_key(candidate) in taken:
        number += 1
        candidate = f"{wanted} ({number})"
    return candidate


def marked(name: str, *, guest: bool) -> str:
    """A name for places that show nothing but it: a guest's says that it is one."""
    return f"{name} (guest)" if guest else name


def initials(name: str) -> str:
    """One or two letters for an avatar."""
    words = [word for word in name.split() if word[0].isalnum()] or [name]
    return "".join(word[0] for word in (words[0], *words[1:][-1:])).upper()
