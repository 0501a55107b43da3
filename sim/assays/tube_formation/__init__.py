"""Tube formation: single cells on a gel form a network."""
