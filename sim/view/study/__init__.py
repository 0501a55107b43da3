"""Pictures of studies and calibrations."""
