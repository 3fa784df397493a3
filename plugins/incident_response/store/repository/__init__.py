"""The statements of a transaction, one file per part of the contract."""
