"""Coordinator: who may use power while the street is an island."""
