"""Shared documents: one live copy of each, its log, and the sockets on it."""
