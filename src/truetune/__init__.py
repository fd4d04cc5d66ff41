"""truetune: tune a Keras model, put the winner into its config, and know whether it really got better."""
