"""A simple fluid in a periodic cube: neighbour lists, pair forces, dynamics and correlations."""
