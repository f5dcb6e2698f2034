"""The ledger: decisions, actions, findings, budgets and what was told to whom; SQLite when embedded, Postgres for a team.

`open_ledger` brings the database to this version's tables and gives a `Ledger`, whose `session()` is one transaction.
What the rows are is in `models.py` and `incident_models.py`; what may be done with them, a file per subject: `runs.py`,
`findings.py`, `incidents.py`, `queue.py`.
"""

from sagekeeper.core.ledger import incident_models  # noqa: F401 (its tables belong to the same metadata)
from sagekeeper.core.ledger.connection import Ledger, open_ledger

__all__ = ["Ledger", "open_ledger"]
