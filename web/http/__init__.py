"""Requests and answers: routes, schemas, and the checks of every request."""
