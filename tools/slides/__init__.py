"""A deck of slides for each notebook, from its stored outputs: `make slides`."""
