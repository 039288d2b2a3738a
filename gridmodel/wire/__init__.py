"""What goes over the air: LoRa settings and airtime, duty cycle, frames and their seal."""
