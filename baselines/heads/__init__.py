"""What classifies features: pure functions of features."""
