"""Messages as they travel: AMQP properties and headers, our envelope, the codec of bodies."""
