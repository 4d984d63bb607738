"""Networks run on several tasks at once, each with weights of its own."""
