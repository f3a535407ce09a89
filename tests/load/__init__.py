"""How much a server of shared documents can take; see docs/performance.md."""
