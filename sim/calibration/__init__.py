"""Fitting named parameters to a data table."""
