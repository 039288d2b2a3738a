"""What obeys physics or an enemy: power flow, inverters, devices, radio, firmware, weather."""
