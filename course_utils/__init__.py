"""The small shared package of the course on variational autoencoders.

Read it floor by floor; a module imports only modules above it in this list:

    session        seeds, device, plot style, compute budget
    strokes        digits and faces drawn with pen strokes from known factors
    data           MNIST, verified, or the drawn digits; drawn faces
    distributions  log densities and Kullback-Leibler divergences
    ppca           probabilistic principal component analysis
    models         autoencoders and variational autoencoders
    objectives     bounds and likelihood estimators
    training       one training loop, its history, checkpoints
    plotting       figures
    widgets        live pictures with sliders, the latent explorers, the explorer as one page
    exercises      the checks behind the exercises
    release        student editions of the notebooks
"""

__version__ = "0.1.0"
