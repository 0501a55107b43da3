"""Assays: what an experiment prepares, and what it reads from the cells."""
