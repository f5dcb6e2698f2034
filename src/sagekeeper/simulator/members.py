"""The organisation in AWS Organizations: the paying account and its members, under their names.

moto gives new accounts numbers of its own and makes an IAM backend with a thousand policies for each; the world's
accounts have theirs, so its members are put beside those that `CreateAccount` makes.
"""

from __future__ import annotations

from copy import copy
from datetime import datetime, timedelta

from moto.moto_api._internal import mock_random
from moto.organizations.models import organizations_backends

from sagekeeper.simulator.world import PAYER, World

PARTITION, REGION = "aws", "us-east-1"


def enrol(world: World, joined: datetime) -> None:
    """Make the organisation, the same each time; all accounts of the world join it, from ``joined`` on."""
    backend = organizations_backends[PAYER][PARTITION]
    if backend.org is not None:
        return
    mock_random.seed(0)
    backend.create_organization(REGION)
    payer = backend.accounts[0]
    payer.name, payer.email, payer.joined_method = world.accounts[PAYER], email(world.accounts[PAYER]), "INVITED"
    payer.create_time = joined.replace(tzinfo=None)
    vars(backend.org)["master_account_email"] = payer.email
    for number, (account, name) in enumerate(world.accounts.items()):
        if account == PAYER:
            continue
        member = copy(payer)
        member.id, member.name, member.email, member.joined_method = account, name, email(name), "CREATED"
        member.attached_policies, member.tags = [], {}
        # One after the other: moto's pages tell accounts apart by this time.
        member.create_time = payer.create_time + timedelta(hours=number)
        backend.accounts.append(member)
        for policy in payer.attached_policies:
            backend.attach_policy(PolicyId=policy.id, TargetId=account)
        organizations_backends.master_accounts[account] = (PAYER, PARTITION)


def email(name: str) -> str:
    """Where mail about an account goes."""
    return f"aws+{name}@example.com"
