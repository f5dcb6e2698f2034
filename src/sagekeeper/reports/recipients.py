"""Who is written to about something that has an owner: the platform's people, and the owner where an address is known.

In: the mail settings, an owner as the bill or a tag names it. Out: addresses. Anybody in the account can write a tag:
an address in one is only used where its domain is allowed.
"""

from __future__ import annotations

from sagekeeper.core.settings import Mail


def platform(mail: Mail) -> tuple[str, ...]:
    """Those who must know at once of everything."""
    return tuple(mail.alert_recipients or mail.digest_recipients)


def of_owner(mail: Mail, owner: str | None) -> tuple[str, ...]:
    """The owner's addresses, without those that `platform` has: nobody gets two letters about one thing."""
    name = (owner or "").strip().casefold()
    named = [
        address for key, found in mail.owners.items() if name and key.strip().casefold() == name for address in found
    ]
    domain = name.rpartition("@")[2] if name.count("@") == 1 and not name.startswith("@") else ""
    if not named and domain and domain in {item.strip().casefold().removeprefix("@") for item in mail.owner_domains}:
        named = [(owner or "").strip()]
    known = {address.casefold() for address in platform(mail)}
    return tuple(dict.fromkeys(address for address in named if address.casefold() not in known))
