"""Runs and how to do many of them safely."""
