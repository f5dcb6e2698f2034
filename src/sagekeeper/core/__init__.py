"""What every room of the house shares: types, tables, lake, ledger, prices, settings, AWS sessions."""
