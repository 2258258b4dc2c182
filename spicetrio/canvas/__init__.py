"""What a Worker's thread owns: the picture, and what each viewer lacks of it. No Trio."""
