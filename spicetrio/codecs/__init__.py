"""Pixels to bytes: kernels, compiled where a compiler is at hand. No Trio."""
