"""Workers: from a delivery to its outcome."""
