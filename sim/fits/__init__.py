"""Fits of dose-responses, their limits, and what two blockades should do together."""
