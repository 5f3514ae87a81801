"""What recipes share: inputs scaled for learning, and many correlated targets as few coefficients."""
