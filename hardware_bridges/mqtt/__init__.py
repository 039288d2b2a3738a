"""Bodies of ports that are reached through an MQTT broker, and the device's end of them."""
