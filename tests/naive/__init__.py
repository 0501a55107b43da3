"""Slow, obvious twins of the fast kernels, written from the equations alone.

Nothing in this package imports ``sim``: a twin that shares code with what it tests shows nothing.
"""
