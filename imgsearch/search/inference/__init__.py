"""Who asks the model: one query at a time, or many clients' at once."""
