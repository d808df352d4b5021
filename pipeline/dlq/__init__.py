"""Dead letters: look at them, send them back."""
