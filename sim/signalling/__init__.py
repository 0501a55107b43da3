"""Signalling: receptors that bind ligand, and the drive that their signals build up."""
