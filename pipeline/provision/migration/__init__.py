"""What a broker can't change made anew, without losing a message: queues and exchanges, step by step."""
