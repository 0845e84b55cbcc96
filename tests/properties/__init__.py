"""Hostile input for every public entry point: a right answer, or a documented refusal that names the argument."""
