"""Small bills written as text, for tests: a FOCUS row and a CUR row with everything that must be there."""

from __future__ import annotations

import csv
import io
from pathlib import Path

FOCUS_ROW = {
    "BilledCost": "1.50",
    "EffectiveCost": "1.25",
    "ListCost": "2.00",
    "ContractedCost": "1.50",
    "BillingCurrency": "USD",
    "ChargeCategory": "Usage",
    "ChargePeriodStart": "2024-09-18 22:00:00",
    "ChargePeriodEnd": "2024-09-18 23:00:00",
    "ProviderName": "AWS",
    "ServiceName": "Amazon SageMaker",
    "ConsumedQuantity": "3.5",
    "Tags": '{"team": "risk"}',
}
CUR_ROW = {
    "bill/PayerAccountId": "123456789012",
    "bill/InvoiceId": "1",
    "lineItem/UsageAccountId": "210987654321",
    "lineItem/LineItemType": "Usage",
    "lineItem/UsageStartDate": "2023-11-04T23:00:00.000Z",
    "lineItem/UsageEndDate": "2023-11-05T00:00:00.000Z",
    "lineItem/ProductCode": "AmazonSageMaker",
    "lineItem/UsageType": "USE1-Host:ml.m5.xlarge",
    "lineItem/UsageAmount": "1.0",
    "lineItem/CurrencyCode": "USD",
    "lineItem/UnblendedCost": "0.23",
    "pricing/publicOnDemandCost": "0.23",
    "resourceTags/user:team": "",
}


def csv_text(rows: list[dict[str, str]], columns: list[str] | None = None) -> str:
    """Rows under a header; a key that a row lacks is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(
        out, columns or list(dict.fromkeys(key for row in rows for key in row)), restval="", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def focus(path: Path, *changes: dict[str, str]) -> Path:
    """A FOCUS csv with one row per change."""
    path.write_text(csv_text([FOCUS_ROW | change for change in changes]))
    return path


def cur(path: Path, *changes: dict[str, str]) -> Path:
    """A CUR csv with one row per change."""
    path.write_text(csv_text([CUR_ROW | change for change in changes]))
    return path
