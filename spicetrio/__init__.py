"""A SPICE remote desktop server for Trio."""
