"""What trains the agent: data set, sampler, batches, loss, optimisers, recipes and the loop."""
