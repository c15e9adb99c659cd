"""What operators see: figures, log lines and the reasons of pins. Imports nothing of outlive."""
