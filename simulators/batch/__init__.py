"""Batches of replicas: over threads, over ranks, with files kept and processes launched."""
