"""Requests and answers: routes, schemas, and what every request must pass."""
