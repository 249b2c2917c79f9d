"""The ladder of evidence: each tier names pairs and how sure it is of them."""
