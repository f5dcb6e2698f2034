"""What each line item type of a Cost and Usage Report means for the four costs, as one readable table.

The rules are those of AWS's own CUR queries (aws-facts 4.4). `cur_bill.py` applies them; docs/bill-rules.md shows them.
"""

from __future__ import annotations

from dataclasses import dataclass

ZERO, NOTHING = "zero", "nothing"
UNBLENDED, NET = "lineItem/UnblendedCost", "lineItem/NetUnblendedCost"
LISTED = "pricing/publicOnDemandCost"


@dataclass(frozen=True)
class Rule:
    """What a line item type means: its FOCUS category, how often it is charged, and which columns its costs are made of.

    Billed is the unblended cost of every line. In a cost a leading minus subtracts, ZERO says that the amount is on
    another line, and of a column that AWS also states net of discounts (`NETS`) the net one counts where the file has it.
    """

    category: str
    frequency: str
    effective: tuple[str, ...] = (UNBLENDED,)
    contracted: str = UNBLENDED
    listed: str = LISTED
    commitment: str | None = None  # CommitmentDiscountStatus


def _paid_elsewhere(*effective: str, frequency: str = "Recurring", commitment: str | None = "Unused") -> Rule:
    """A payment for a commitment: what it pays for carries its list and contracted cost."""
    return Rule("Purchase", frequency, effective, contracted=ZERO, listed=ZERO, commitment=commitment)


DISCOUNTS = ("EdpDiscount", "PrivateRateDiscount", "BundledDiscount", "Discount", "SppDiscount")
"""Lines that the net columns of the discounted lines already contain."""
RULES: dict[str, Rule] = {
    "Usage": Rule("Usage", "Usage-Based"),
    # A reservation's use is unblended at zero or at its recurring part: contracted is what it would cost without it.
    "DiscountedUsage": Rule(
        "Usage", "Usage-Based", ("reservation/EffectiveCost",), contracted=LISTED, commitment="Used"
    ),
    "SavingsPlanCoveredUsage": Rule(
        "Usage", "Usage-Based", ("savingsPlan/SavingsPlanEffectiveCost",), commitment="Used"
    ),
    # Cancels the on-demand amount that SavingsPlanCoveredUsage states as unblended: billed sums to what was paid.
    "SavingsPlanNegation": Rule("Usage", "Usage-Based", (ZERO,), contracted=ZERO, listed=ZERO),
    # What of the commitment was not used: the used part is the effective cost of the covered usage.
    "SavingsPlanRecurringFee": _paid_elsewhere("savingsPlan/TotalCommitmentToDate", "-savingsPlan/UsedCommitment"),
    "SavingsPlanUpfrontFee": _paid_elsewhere(ZERO, frequency="One-Time", commitment=None),
    "RIFee": _paid_elsewhere("reservation/UnusedAmortizedUpfrontFeeForBillingPeriod", "reservation/UnusedRecurringFee"),
    "Fee": Rule("Purchase", "One-Time"),
    "Tax": Rule("Tax", "Usage-Based"),
    "Credit": Rule("Credit", "One-Time"),
    # A refund or discount line does not say what kind of charge it goes back on: FOCUS's category for the rest.
    **dict.fromkeys(("Refund", *DISCOUNTS), Rule("Adjustment", "One-Time", listed=ZERO)),
}
RESERVATION_FEE = _paid_elsewhere(ZERO, frequency="One-Time", commitment=None)
"""A Fee with a reservation's ARN: the upfront part, which DiscountedUsage and RIFee carry day by day."""
UNKNOWN_TYPE = Rule("Adjustment", "One-Time")
NETS = {
    UNBLENDED: NET,
    "savingsPlan/SavingsPlanEffectiveCost": "savingsPlan/NetSavingsPlanEffectiveCost",
    "reservation/EffectiveCost": "reservation/NetEffectiveCost",
    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": (
        "reservation/NetUnusedAmortizedUpfrontFeeForBillingPeriod"
    ),
    "reservation/UnusedRecurringFee": "reservation/NetUnusedRecurringFee",
}
"""A cost and the column that states it after private discounts; AWS fills those only for accounts that have some."""
