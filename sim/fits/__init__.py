"""Fits of dose-responses, their limits, and expected effects of combined blockades."""
