"""The tissue: lattice, cells, energies, the Potts sweep and concentration fields, as arrays."""
