"""Many runs: planned, run, kept in a ledger, put into one table."""
