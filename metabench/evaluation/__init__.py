"""From a trained learner to its scores."""
