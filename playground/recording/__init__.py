"""Recording: films, pictures and the consumer that writes them."""
