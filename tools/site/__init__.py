"""The course as a static site, from the notebooks' stored outputs: `make site`."""
