"""What window and page share, without a screen: panels in step, controllers, keys, prompts at hand, readouts."""
