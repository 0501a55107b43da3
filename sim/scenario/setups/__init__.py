"""How each assay starts."""
