"""The inputs of a job: folders, manifests and tar archives, as rows of the ledger."""
