"""Rooms: the places people join, who is in them, and when they end."""
