"""Lake and ledger -> small frames and values that people look at; a file per subject.

The dashboard and the mails read these and nothing else, so a number is computed in one place. Every function takes
``as_of``; none reads a clock. Amounts state their basis: *billed* is what the invoice says (all charges, credits
deducted), *effective* spreads commitments over what used them.
"""
