"""Where pixels come from. Sources use only the public names."""
