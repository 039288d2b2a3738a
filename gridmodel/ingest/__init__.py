"""Readers: from files to the network model and to profiles."""
