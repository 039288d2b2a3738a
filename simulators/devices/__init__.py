"""Devices behind a meter or beside the street: houses, PV panels, batteries, EVs, the grid."""
