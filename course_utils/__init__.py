"""The small shared package of the course on variational autoencoders.

Its rooms stand on floors, and each imports only rooms below it; pyproject.toml lists them, under
`tool.importlinter`, and CONTRIBUTING.md says what belongs where.
"""

__version__ = "0.1.0"
